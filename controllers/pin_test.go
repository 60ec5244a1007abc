package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

// image is what the stream's Deployment has its hub run.
func (w *world) image() string {
	d := &appsv1.Deployment{}
	w.get("shop-hub", d)
	return hubImage(d)
}

func TestAHubThatNeverBecameAvailableFollowsAMendedImage(t *testing.T) {
	for _, policy := range []v1alpha1.ImagePolicy{"", v1alpha1.ImagePinned, v1alpha1.ImageFollowOperator} {
		t.Run(string(policy), func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(g)
			w.change(func(s *v1alpha1.EventStreamSpec) { s.ImagePolicy = policy })
			w.r.HubImage = "runnel:typo"
			w.reconcile()
			w.change(func(s *v1alpha1.EventStreamSpec) {
				s.Template = &v1alpha1.HubTemplate{NodeSelector: map[string]string{"disk": "fast"}}
			})
			w.reconcile()
			g.Expect(w.image()).To(Equal("runnel:typo"))
			w.r.HubImage = "runnel:0.2.0"
			w.reconcile()
			g.Expect(w.image()).To(Equal("runnel:0.2.0"))
			g.Expect(w.stream().Status.Image).To(Equal("runnel:0.2.0"))
		})
	}
}

func TestAHubThatIsNoLongerAvailableKeepsItsImage(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	d := &appsv1.Deployment{}
	w.get("shop-hub", d)
	d.Status.ReadyReplicas = 0
	d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: newReplicaSetAvailable}}
	g.Expect(w.Client.Status().Update(t.Context(), d)).To(Succeed())
	w.r.HubImage = "runnel:0.2.0"
	w.reconcile()
	g.Expect(w.image()).To(Equal("runnel:0.1.0"))
}

func TestNothingInTheStatusPinsAnImage(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	s := w.stream()
	s.Status.Image, s.Status.ConfigHash = "somebody:else", "another"
	g.Expect(w.Client.Status().Update(t.Context(), s)).To(Succeed())
	w.before = nil
	w.r.HubImage = "runnel:0.2.0"
	w.reconcile()
	g.Expect(w.image()).To(Equal("runnel:0.1.0"))
	g.Expect(w.stream().Status.Image).To(Equal("runnel:0.1.0"))
	g.Expect(w.stream().Status.ConfigHash).To(Equal(w.hub.ConfigHash))
}

func TestAnImageThatSomebodyChangedIsPutBack(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.r.HubImage = "runnel:0.2.0"
	w.reconcile()
	d := &appsv1.Deployment{}
	w.get("shop-hub", d)
	d.Spec.Template.Spec.Containers[0].Image = "other"
	g.Expect(w.Update(t.Context(), d)).To(Succeed())
	w.reconcile()
	g.Expect(w.image()).To(Equal("runnel:0.1.0"))
}

func TestTheCacheKeepsThatAHubWasAvailable(t *testing.T) {
	g := NewWithT(t)
	d := &appsv1.Deployment{Status: appsv1.DeploymentStatus{Conditions: []appsv1.DeploymentCondition{
		{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue},
		{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: newReplicaSetAvailable, Message: "ReplicaSet shop-hub-1 has successfully progressed."},
	}}}
	kept, err := newDiet().object(d)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(wasAvailable(kept.(*appsv1.Deployment))).To(BeTrue())
}
