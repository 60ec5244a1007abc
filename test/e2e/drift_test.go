package e2e_test

import (
	"context"
	"maps"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
)

// restartedAt is the annotation that kubectl rollout restart sets.
const restartedAt = "kubectl.kubernetes.io/restartedAt"

var _ = Describe("What belongs to a stream", func() {
	It("is put right when somebody changes it", func(ctx SpecContext) {
		s := serving(ctx)
		r, before := s.read(ctx, ""), run(s.hub(ctx))
		hub, publish := s.child("shop-hub"), s.child("shop-publish")
		drift(ctx, hub, &corev1.ConfigMap{}, func(o *corev1.ConfigMap) { o.Data[render.ConfigKey] = "{}" },
			func(o *corev1.ConfigMap) any { return o.Data })
		drift(ctx, hub, &corev1.ConfigMap{}, func(o *corev1.ConfigMap) { o.OwnerReferences[0].BlockOwnerDeletion = new(true) },
			func(o *corev1.ConfigMap) any { return o.OwnerReferences })
		drift(ctx, publish, &corev1.Service{}, func(o *corev1.Service) { o.Spec.Ports[0].Port = 81 },
			func(o *corev1.Service) any { return o.Spec.Ports })
		drift(ctx, publish, &corev1.Service{}, func(o *corev1.Service) { o.Spec.Selector[render.LabelInstance] = "other" },
			func(o *corev1.Service) any { return o.Spec.Selector })
		drift(ctx, publish, &corev1.Service{}, func(o *corev1.Service) { delete(o.Labels, render.LabelManagedBy) },
			func(o *corev1.Service) any { return o.Labels })
		drift(ctx, hub, &corev1.ServiceAccount{}, func(o *corev1.ServiceAccount) { o.Labels[render.LabelComponent] = "mine" },
			func(o *corev1.ServiceAccount) any { return o.Labels })
		s.ready(ctx)
		s.send(ctx, "still here")
		Expect(r.receives(ctx)).To(Equal("still here"))
		Expect(run(s.hub(ctx))).To(Equal(before), "nothing of it needs another process")

		drift(ctx, hub, &appsv1.Deployment{}, func(o *appsv1.Deployment) { o.Spec.Template.Spec.Containers[0].Image = "other" },
			func(o *appsv1.Deployment) any { return o.Spec.Template.Spec.Containers[0].Image })
		drift(ctx, hub, &appsv1.Deployment{}, func(o *appsv1.Deployment) { o.Spec.Replicas = new(int32(2)) },
			func(o *appsv1.Deployment) any { return o.Spec.Replicas })
		s.servesAgain(ctx)
	})

	It("comes back when somebody deletes it", func(ctx SpecContext) {
		s := serving(ctx)
		old := s.hub(ctx).UID
		for name, child := range s.children() {
			By(name)
			key := client.ObjectKeyFromObject(child)
			uid := get(ctx, key, child).GetUID()
			Expect(p.Client.Delete(ctx, child, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
			Eventually(func(g Gomega) types.UID {
				g.Expect(p.Client.Get(ctx, key, child)).To(Succeed())
				return child.GetUID()
			}).ShouldNot(Equal(uid))
		}
		s.alone(ctx, old)
		s.servesAgain(ctx)
	})

	It("keeps what others add to it", func(ctx SpecContext) {
		s := serving(ctx)
		w, err := operatorWork(ctx)
		Expect(err).NotTo(HaveOccurred())
		const key = "team.example/note"
		for _, child := range s.children() {
			patch(ctx, child, `{"metadata":{"annotations":{"`+key+`":"theirs"},"labels":{"`+key+`":"theirs"}}}`)
		}
		settledAfter(ctx, w.done)
		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) {
			spec.Heartbeat.Interval = "7s"
			spec.Template = &v1alpha1.HubTemplate{Annotations: map[string]string{"team.example/owner": "me"}}
		})
		s.ready(ctx)
		for name, child := range s.children() {
			get(ctx, client.ObjectKeyFromObject(child), child)
			Expect(child.GetAnnotations()).To(HaveKeyWithValue(key, "theirs"), name)
			Expect(child.GetLabels()).To(HaveKeyWithValue(key, "theirs"), name)
		}
	})

	It("may be restarted by kubectl rollout restart", func(ctx SpecContext) {
		s := serving(ctx)
		before := s.hub(ctx).UID
		s.restart(ctx, "2026-01-01T00:00:00Z")
		s.alone(ctx, before)
		s.servesAgain(ctx)
		Expect(s.hub(ctx).Annotations).To(HaveKey(restartedAt))
		d := get(ctx, s.child("shop-hub"), &appsv1.Deployment{})
		Expect(d.Spec.Template.Annotations).To(HaveKey(restartedAt))
	})

	It("never takes the place of somebody else's object", func(ctx SpecContext) {
		ns := newNamespace(ctx)
		theirs := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "shop-publish", Labels: map[string]string{render.LabelManagedBy: render.ManagedBy}},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 8443}}},
		}
		Expect(p.Client.Create(ctx, theirs)).To(Succeed())
		o := shop(ns)
		Expect(p.Client.Create(ctx, o)).To(Succeed())
		s := &stream{key: client.ObjectKeyFromObject(o)}
		Expect(s.condition(ctx, v1alpha1.ConditionAccepted, "False", "NameConflict")).To(And(
			ContainSubstring("Service shop-publish"), ContainSubstring("delete it, or give the stream another name")))
		s.condition(ctx, v1alpha1.ConditionStalled, "True", "NameConflict")
		version := theirs.ResourceVersion
		Expect(get(ctx, client.ObjectKeyFromObject(theirs), theirs).ResourceVersion).To(Equal(version))
		Expect(p.Client.Get(ctx, s.child("shop-hub"), &appsv1.Deployment{})).NotTo(Succeed(), "nothing is made by halves")
		Expect(s.now(ctx).Status.Address).To(BeNil(), "publishers are not sent to a stranger")

		Expect(p.Client.Delete(ctx, theirs)).To(Succeed())
		Eventually(s.isReady).WithContext(ctx).Should(BeTrue())
		s.servesAgain(ctx)
	})

	It("is Invalid when the API server refuses it, in its words", func(ctx SpecContext) {
		ns := newNamespace(ctx)
		o := shop(ns)
		o.Spec.Template = &v1alpha1.HubTemplate{TopologySpreadConstraints: []corev1.TopologySpreadConstraint{
			{TopologyKey: "zone", WhenUnsatisfiable: corev1.DoNotSchedule, MaxSkew: 0},
		}}
		Expect(p.Client.Create(ctx, o)).To(Succeed())
		s := &stream{key: client.ObjectKeyFromObject(o)}
		Expect(s.condition(ctx, v1alpha1.ConditionAccepted, "False", "Invalid")).To(ContainSubstring("maxSkew"))
		s.condition(ctx, v1alpha1.ConditionStalled, "True", "Invalid")
		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) { spec.Template = nil })
		s.servesAgain(ctx)
	})
})

// servesAgain waits until the stream is Ready and an event comes through its Services, which may be new ones.
func (s *stream) servesAgain(ctx context.Context) {
	GinkgoHelper()
	s.alone(ctx)
	s.connect(ctx)
	r := s.readAgain(ctx, "")
	s.send(ctx, "again")
	Expect(r.receives(ctx)).To(Equal("again"))
}

// alone waits until one hub is left, which is none of those before. A hub that ends is there for a while.
func (s *stream) alone(ctx context.Context, before ...types.UID) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		pods := s.pods(ctx)
		g.Expect(pods).To(HaveLen(1))
		g.Expect(before).NotTo(ContainElement(pods[0].UID))
	}).Should(Succeed())
}

func (s *stream) isReady(ctx context.Context) bool {
	o := s.now(ctx)
	return o.Status.ObservedGeneration == o.Generation && meta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionReady)
}

// drift changes an object as a stranger, and waits until what it looks at is as it was.
func drift[T client.Object](ctx context.Context, key client.ObjectKey, o T, change func(T), look func(T) any) {
	GinkgoHelper()
	want := look(get(ctx, key, o).DeepCopyObject().(T))
	Eventually(func(g Gomega) {
		g.Expect(p.Client.Get(ctx, key, o)).To(Succeed())
		change(o)
		g.Expect(p.Client.Update(ctx, o)).To(Succeed())
	}).Should(Succeed())
	Expect(look(o)).NotTo(Equal(want), "it is a change")
	Eventually(func(g Gomega) any {
		o = o.DeepCopyObject().(T)
		g.Expect(p.Client.Get(ctx, key, o)).To(Succeed())
		return look(o)
	}).Should(Equal(want), "%T", o)
}

// patch merges a document into an object as a stranger.
func patch(ctx context.Context, o client.Object, document string) {
	GinkgoHelper()
	Expect(p.Client.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(document)))).To(Succeed())
}

// allVersions are the resource versions of the stream, its children and its pod.
func (s *stream) allVersions(ctx context.Context) map[string]string {
	GinkgoHelper()
	versions := maps.Clone(s.versions(ctx))
	versions["EventStream"] = s.now(ctx).ResourceVersion
	versions["Pod"] = s.hub(ctx).ResourceVersion
	return versions
}
