package controllers

import (
	"fmt"
	"maps"
	"sync"
	"testing"
	"unsafe"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/controllers/render"
)

// on has the diet take an object.
func on[T client.Object](g Gomega, d *diet, o T) T {
	out, err := d.object(o)
	g.Expect(err).NotTo(HaveOccurred())
	return out.(T)
}

func TestTheCacheHoldsNoPodSpecs(t *testing.T) {
	g := NewWithT(t)
	got := on(g, newDiet(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", ManagedFields: []metav1.ManagedFieldsEntry{{}}},
		Spec:       corev1.PodSpec{NodeName: "n"},
		Status:     corev1.PodStatus{PodIP: "127.0.0.1", HostIP: "127.0.0.2", PodIPs: []corev1.PodIP{{IP: "127.0.0.1"}}},
	})
	g.Expect(got).To(Equal(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Status: corev1.PodStatus{PodIP: "127.0.0.1"}}))
}

func TestTheCacheHoldsWhatHubsAreJudgedBy(t *testing.T) {
	g := NewWithT(t)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			UID: "u", Labels: map[string]string{render.LabelInstance: "shop", appsv1.DefaultDeploymentUniqueLabelKey: "5d4f"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "shop-hub-5d4f"}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "127.0.0.1",
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodReady, Status: corev1.ConditionTrue},
				{Type: corev1.PodInitialized, Status: corev1.ConditionTrue},
				{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "no node"},
			},
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: render.HubContainer, Image: "runnel", ContainerID: "c", RestartCount: 2,
				State:                corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Reason: "Error"}},
			}},
		},
	}
	before := pod.DeepCopy()
	after := on(g, newDiet(), pod)
	g.Expect(hubStream(after)).To(Equal(hubStream(before)))
	g.Expect(after.Labels).To(HaveLen(1), "the labels of the stream's other objects")
	g.Expect(after.OwnerReferences).To(BeEmpty())
	g.Expect(isReady(after)).To(BeTrue())
	g.Expect(isRunning(after)).To(BeTrue())
	g.Expect(instance(after)).To(Equal(instance(before)))
	// The same pod, not ready, has two reasons to name: one goes by the conditions, one by the container.
	for _, p := range []*corev1.Pod{before, after} {
		p.Status.Conditions[0].Status = corev1.ConditionFalse
	}
	g.Expect(podFailure(after)).To(And(Equal(podFailure(before)), ContainSubstring("no node")))
	before.Status.Conditions, after.Status.Conditions = nil, nil
	g.Expect(podFailure(after)).To(And(Equal(podFailure(before)), ContainSubstring("exit code 3")))
}

// deployment is one of a hub, alike for all streams but for the names.
func deployment(name string) *appsv1.Deployment {
	labels := map[string]string{render.LabelManagedBy: render.ManagedBy, render.LabelInstance: name}
	replicas := int32(1)
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: labels, Generation: 3,
			Annotations:     map[string]string{"a": "b", corev1.LastAppliedConfigAnnotation: "{}"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "runnel.dev/v1alpha1", Kind: "EventStream", Name: name}},
		},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{render.LabelInstance: name}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: maps.Clone(labels), Annotations: map[string]string{"kubectl.kubernetes.io/restartedAt": "now"}},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "hub", Image: "runnel:0.1.0",
					Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")}},
				}}},
			},
		},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 3, UpdatedReplicas: 1, Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "quota"},
			{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Message: "ReplicaSet " + name},
			{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue},
		}},
	}
}

func TestWhatIsAppliedStaysInTheCache(t *testing.T) {
	g := NewWithT(t)
	want := deployment("shop")
	delete(want.Annotations, corev1.LastAppliedConfigAnnotation)
	want.Status.Conditions = want.Status.Conditions[:2] // what has gone wrong
	g.Expect(on(g, newDiet(), deployment("shop"))).To(Equal(want))

	service := &corev1.Service{Spec: corev1.ServiceSpec{
		ClusterIP: "10.0.0.1", ClusterIPs: []string{"10.0.0.1"}, PublishNotReadyAddresses: true,
		Selector: map[string]string{"a": "b"}, Ports: []corev1.ServicePort{{Name: "admin", Port: 9090, TargetPort: intstr.FromString("admin")}},
	}}
	kept := service.DeepCopy()
	kept.Spec.ClusterIPs = nil
	g.Expect(on(g, newDiet(), service)).To(Equal(kept))
}

func TestEqualPartsOfObjectsAreOneInMemory(t *testing.T) {
	g := NewWithT(t)
	d := newDiet()
	shop, news := on(g, d, deployment("shop")), on(g, d, deployment("news"))
	g.Expect(&shop.Spec.Template.Spec.Containers[0] == &news.Spec.Template.Spec.Containers[0]).To(BeTrue(), "the container")
	g.Expect(shop.Spec.Replicas == news.Spec.Replicas).To(BeTrue(), "a number")
	g.Expect(unsafe.StringData(shop.OwnerReferences[0].Kind) == unsafe.StringData(news.OwnerReferences[0].Kind)).To(BeTrue(), "a word")
	// Labels of one stream are one map: a key added to one is then in the other.
	shop.Labels["seen"] = "yes"
	g.Expect(shop.Spec.Template.Labels).To(HaveKey("seen"))
	g.Expect(news.Labels).NotTo(HaveKey("seen"))
}

// TestAnObjectMayBeTransformedTwice holds, under the race detector, that a second transform writes to no part that others share: an informer
// that lists by a watch calls its transform twice for each object.
func TestAnObjectMayBeTransformedTwice(t *testing.T) {
	g := NewWithT(t)
	d := newDiet()
	labels := func() map[string]string { return map[string]string{render.LabelInstance: "shop"} }
	pod := on(g, d, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: labels()}})
	again := pod.DeepCopy()
	again.Labels = pod.Labels // of the diet's own, as a pod that was transformed has them
	other := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}}
	var both sync.WaitGroup
	both.Go(func() { _, _ = d.object(again) })
	both.Go(func() { _, _ = d.object(other) })
	both.Wait()
	g.Expect(again).To(Equal(pod))
	g.Expect(again.Labels).To(Equal(labels()))
}

func TestPartsThatDifferAreNotShared(t *testing.T) {
	g := NewWithT(t)
	d := newDiet()
	// Many more than there are places for: each meets others there.
	for i := range 2 * sharedValues {
		name := fmt.Sprintf("stream-%d", i)
		got := d.words(map[string]string{render.LabelInstance: name})
		g.Expect(got[render.LabelInstance]).To(Equal(name))
	}
	other := deployment("news")
	other.Spec.Template.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory] = resource.MustParse("1Gi")
	one, two := on(g, d, deployment("shop")), on(g, d, other)
	g.Expect(one.Spec.Template.Spec.Containers[0].Resources.Limits.Memory().String()).To(Equal("512Mi"))
	g.Expect(two.Spec.Template.Spec.Containers[0].Resources.Limits.Memory().String()).To(Equal("1Gi"))
}
