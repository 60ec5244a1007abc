package e2e_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/test/suite"
)

var _ = Describe("A stream that is made again", func() {
	It("adopts what kubectl delete --cascade=orphan left, with the hub that runs", func(ctx SpecContext) {
		s := serving(ctx)
		r, before := s.read(ctx, ""), run(s.hub(ctx))
		Expect(p.Client.Delete(ctx, s.now(ctx), client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
		s.isGone(ctx)
		for name, child := range s.children() {
			Expect(get(ctx, client.ObjectKeyFromObject(child), child).GetOwnerReferences()).To(BeEmpty(), name)
		}
		again := shop(s.key.Namespace)
		Expect(p.Client.Create(ctx, again)).To(Succeed())
		s.ready(ctx)
		for name, child := range s.children() {
			Expect(metav1.IsControlledBy(get(ctx, client.ObjectKeyFromObject(child), child), again)).To(BeTrue(), name)
		}
		s.send(ctx, "still here")
		Expect(r.receives(ctx)).To(Equal("still here"), "on the first connection")
		Expect(run(s.hub(ctx))).To(Equal(before), "it is the same process")
	}, SpecTimeout(suite.Timeout))

	It("adopts a restored backup, and removes from it what the spec no longer asks for", func(ctx SpecContext) {
		const annotation = "team.example/owner"
		s := serving(ctx, func(spec *v1alpha1.EventStreamSpec) {
			spec.Template = &v1alpha1.HubTemplate{Annotations: map[string]string{annotation: "me"}}
		})
		backup := s.children()
		for _, child := range backup {
			get(ctx, client.ObjectKeyFromObject(child), child)
		}
		Expect(p.Client.Delete(ctx, s.now(ctx))).To(Succeed())
		s.isGone(ctx)
		for name, child := range s.children() {
			Eventually(func() error { return p.Client.Get(ctx, client.ObjectKeyFromObject(child), child) }).
				Should(MatchError(apierrors.IsNotFound, "IsNotFound"), name)
		}
		for name, child := range backup {
			child.SetResourceVersion("")
			child.SetUID("")
			child.SetOwnerReferences(nil)
			child.SetManagedFields(nil)
			if service, ok := child.(*corev1.Service); ok && service.Spec.ClusterIP != corev1.ClusterIPNone {
				service.Spec.ClusterIP, service.Spec.ClusterIPs = "", nil
			}
			Expect(p.Client.Create(ctx, child)).To(Succeed(), name)
		}
		Expect(p.Client.Create(ctx, shop(s.key.Namespace))).To(Succeed())
		s.servesAgain(ctx)
		d := get(ctx, s.child("shop-hub"), &appsv1.Deployment{})
		Expect(d.Spec.Template.Annotations).NotTo(HaveKey(annotation))
	}, SpecTimeout(suite.Timeout))
})

// isGone waits until the stream's object is gone.
func (s *stream) isGone(ctx SpecContext) {
	GinkgoHelper()
	Eventually(func() error { return p.Client.Get(ctx, s.key, &v1alpha1.EventStream{}) }).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))
}
