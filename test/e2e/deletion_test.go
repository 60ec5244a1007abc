package e2e_test

import (
	"context"
	"fmt"

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

var _ = Describe("The end of a hub", func() {
	// Kubernetes looks at a namespace again after half of its pods' grace period, however soon they are gone.
	It("does not keep a namespace of idle streams for minutes", func(ctx SpecContext) {
		const idle = 8
		namespace := newNamespace(ctx)
		var streams []*v1alpha1.EventStream
		for i := range idle {
			o := shop(namespace)
			o.Name = fmt.Sprintf("shop-%d", i)
			o.Spec.Drain = v1alpha1.Drain{} // the default
			Expect(p.Client.Create(ctx, o)).To(Succeed())
			streams = append(streams, o)
		}
		for _, o := range streams {
			s := &stream{key: client.ObjectKeyFromObject(o)}
			s.ready(ctx)
		}
		used := &stream{key: client.ObjectKeyFromObject(streams[0])}
		used.connect(ctx)
		used.send(ctx, "one of them has a history")
		Expect(p.Client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
		isGone(ctx, namespace)
	}, NodeTimeout(suite.Timeout))

	It("may take longer by a rollout that nobody notices", func(ctx SpecContext) {
		s := serving(ctx)
		r := s.read(ctx, "")
		s.send(ctx, "1")
		e := r.next(ctx)
		s.send(ctx, "2")
		before := s.staying(ctx)
		Expect(before[0].Spec.TerminationGracePeriodSeconds).To(HaveValue(BeEquivalentTo(150)))
		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) { spec.Drain.Window = "2m" })
		s.replaced(ctx, before)
		Expect(s.staying(ctx)[0].Spec.TerminationGracePeriodSeconds).To(HaveValue(BeEquivalentTo(705)))
		again := s.readAgain(ctx, e.ID)
		Expect(again.resume).To(Equal("exact"))
		Expect(again.receives(ctx)).To(Equal("2"))

		// Most changes roll nothing.
		generation := get(ctx, s.child("shop-hub"), &appsv1.Deployment{}).Generation
		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) { spec.Drain.Window = "3m" })
		s.ready(ctx)
		Expect(get(ctx, s.child("shop-hub"), &appsv1.Deployment{}).Generation).To(Equal(generation))
	}, NodeTimeout(suite.Timeout))
})

// isGone waits until a deleted namespace is gone.
func isGone(ctx context.Context, namespace string) {
	GinkgoHelper()
	Eventually(func() error {
		return p.Client.Get(ctx, client.ObjectKey{Name: namespace}, &corev1.Namespace{})
	}).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))
}
