package apiserver_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func newPod(ns, name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{"app": "demo"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "hub:1"}}},
	}
}

func restricted(p *corev1.Pod) *corev1.Pod {
	p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	return p
}

func bindToNode(ctx SpecContext, p *corev1.Pod, node string) error {
	return typed.CoreV1().Pods(p.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, UID: p.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{})
}

var _ = Describe("Pods", func() {
	var ns string
	BeforeEach(func(ctx SpecContext) { ns = newNamespace(ctx, nil) })

	It("run as a ServiceAccount that is there, with its token unless they decline", func(ctx SpecContext) {
		p := newPod(ns, "p")
		Expect(admin.Create(ctx, p)).To(Succeed())
		Expect(p.Spec.ServiceAccountName).To(Equal("default"))
		Expect(p.Spec.Containers[0].VolumeMounts).To(ConsistOf(HaveField("MountPath", "/var/run/secrets/kubernetes.io/serviceaccount")))
		Expect(p.Status.Phase).To(Equal(corev1.PodPending))
		p = newPod(ns, "q")
		p.Spec.AutomountServiceAccountToken = new(false)
		Expect(admin.Create(ctx, p)).To(Succeed())
		Expect(p.Spec.Volumes).To(BeEmpty())
		p = newPod(ns, "r")
		p.Spec.ServiceAccountName = "nobody"
		Expect(admin.Create(ctx, p)).To(MatchError(ContainSubstring("serviceaccounts \"nobody\" not found")))
	})

	It("are held to the Pod Security of their namespace", func(ctx SpecContext) {
		strict := newNamespace(ctx, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
		err := admin.Create(ctx, newPod(strict, "p"))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring(`violates PodSecurity "restricted:latest"`)))
		Expect(admin.Create(ctx, restricted(newPod(strict, "p")))).To(Succeed())
		baseline := newNamespace(ctx, map[string]string{"pod-security.kubernetes.io/enforce": "baseline"})
		Expect(admin.Create(ctx, newPod(baseline, "p"))).To(Succeed())
		p := newPod(baseline, "q")
		p.Spec.HostNetwork = true
		Expect(apierrors.IsForbidden(admin.Create(ctx, p))).To(BeTrue())
		err = admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "typo", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "strict"}}})
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
	})

	It("are bound to a node once", func(ctx SpecContext) {
		p := newPod(ns, "p")
		Expect(admin.Create(ctx, p)).To(Succeed())
		Expect(bindToNode(ctx, p, "one")).To(Succeed())
		Expect(apierrors.IsConflict(bindToNode(ctx, p, "two"))).To(BeTrue())
		var list corev1.PodList
		Expect(admin.List(ctx, &list, client.InNamespace(ns), client.MatchingFields{"spec.nodeName": "one"})).To(Succeed())
		Expect(list.Items).To(HaveLen(1))
		Expect(list.Items[0].Status.Conditions).To(ContainElement(HaveField("Type", corev1.PodScheduled)))
	})

	It("end gracefully on a node, and at once elsewhere", func(ctx SpecContext) {
		p, q := newPod(ns, "p"), newPod(ns, "q")
		p.Spec.TerminationGracePeriodSeconds = new(int64(7))
		Expect(admin.Create(ctx, p)).To(Succeed())
		Expect(admin.Create(ctx, q)).To(Succeed())
		Expect(bindToNode(ctx, p, "one")).To(Succeed())
		// As on a real cluster, a deletion that overtakes the binding in the watch cache finds a pod without a node.
		Eventually(func(g Gomega) {
			list, err := typed.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{ResourceVersion: "0", FieldSelector: "spec.nodeName=one"})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(list.Items).To(HaveLen(1))
		}).Should(Succeed())
		for _, o := range []*corev1.Pod{p, q} {
			Expect(admin.Delete(ctx, o)).To(Succeed())
		}
		Expect(apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(q), q))).To(BeTrue())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(p), p)).To(Succeed())
		Expect(*p.DeletionGracePeriodSeconds).To(BeEquivalentTo(7))
		Expect(admin.Delete(ctx, p, client.GracePeriodSeconds(0))).To(Succeed())
		Expect(apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(p), p))).To(BeTrue())
	})

	It("let annotations through /status, and neither spec nor owners", func(ctx SpecContext) {
		p := newPod(ns, "p")
		Expect(admin.Create(ctx, p)).To(Succeed())
		patch := `{"metadata":{"annotations":{"runnel.dev/nudge":"1"},"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"c","uid":"1"}]},
			"spec":{"containers":[{"name":"c","image":"evil:1"}]},"status":{"podIP":"127.1.0.1"}}`
		got, err := typed.CoreV1().Pods(ns).Patch(ctx, "p", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Annotations).To(HaveKeyWithValue("runnel.dev/nudge", "1"))
		Expect(got.OwnerReferences).To(BeEmpty())
		Expect(got.Spec.Containers[0].Image).To(Equal("hub:1"))
		Expect(got.Status.PodIP).To(Equal("127.1.0.1"))
		Expect(got.Generation).To(BeEquivalentTo(1))
	})

	It("keep their spec, save what a cluster lets change", func(ctx SpecContext) {
		p := newPod(ns, "p")
		Expect(admin.Create(ctx, p)).To(Succeed())
		p.Spec.Containers[0].Image = "hub:2"
		Expect(admin.Update(ctx, p)).To(Succeed())
		Expect(p.Generation).To(BeEquivalentTo(2))
		p.Spec.Hostname = "other"
		Expect(admin.Update(ctx, p)).To(MatchError(ContainSubstring("pod updates may not change fields other than")))
	})

	It("show their log through the node's hook", func(ctx SpecContext) {
		Expect(admin.Create(ctx, newPod(ns, "p"))).To(Succeed())
		text, err := typed.CoreV1().Pods(ns).GetLogs("p", &corev1.PodLogOptions{TailLines: new(int64(5)), Previous: true}).DoRaw(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).To(Equal(ns + "/p/c tail 5 previous true\n"))
		_, err = typed.CoreV1().Pods(ns).GetLogs("p", &corev1.PodLogOptions{Container: "x"}).Stream(ctx)
		Expect(err).To(MatchError(ContainSubstring("container x is not valid for pod p, choose one of: [c]")))
	})

	It("are evicted only as far as their budget allows", func(ctx SpecContext) {
		one := intstr.FromInt32(1)
		Expect(admin.Create(ctx, &policyv1.PodDisruptionBudget{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "demo"},
			Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "demo"}}},
		})).To(Succeed())
		for _, name := range []string{"p", "q"} {
			p := newPod(ns, name)
			Expect(admin.Create(ctx, p)).To(Succeed())
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			Expect(admin.Status().Update(ctx, p)).To(Succeed())
		}
		evict := func(name string) error {
			return typed.PolicyV1().Evictions(ns).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}})
		}
		Expect(evict("p")).To(Succeed())
		err := evict("q")
		Expect(apierrors.IsTooManyRequests(err)).To(BeTrue(), "%v", err)
		Expect(apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause)).To(BeTrue())
	})

	It("warn of a workload whose pods would be refused", func(ctx SpecContext) {
		strict := newNamespace(ctx, map[string]string{"pod-security.kubernetes.io/enforce": "privileged", "pod-security.kubernetes.io/warn": "restricted"})
		var d appsv1.Deployment
		Expect(apply(ctx, appliedDeployment(strict))).To(Succeed(), "a workload is warned of and not refused")
		Expect(admin.Get(ctx, types.NamespacedName{Namespace: strict, Name: "demo"}, &d)).To(Succeed())
	})
})
