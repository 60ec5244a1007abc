package apiserver_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	acmeta "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func owner(o client.Object) *acmeta.OwnerReferenceApplyConfiguration {
	gvk := o.GetObjectKind().GroupVersionKind()
	return acmeta.OwnerReference().WithAPIVersion(gvk.GroupVersion().String()).WithKind(gvk.Kind).WithName(o.GetName()).
		WithUID(o.GetUID()).WithController(true).WithBlockOwnerDeletion(true)
}

func ownedBy(o client.Object, controller bool) metav1.OwnerReference {
	gvk := o.GetObjectKind().GroupVersionKind()
	return metav1.OwnerReference{
		APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Name: o.GetName(), UID: o.GetUID(),
		Controller: new(controller), BlockOwnerDeletion: new(true),
	}
}

var _ = Describe("Garbage collection", func() {
	var ns string
	BeforeEach(func(ctx SpecContext) { ns = newNamespace(ctx, nil) })

	widget := func(ctx SpecContext, name string) client.Object {
		w := newWidget(ns, name, map[string]any{})
		Expect(admin.Create(ctx, w)).To(Succeed())
		return w
	}
	child := func(ctx SpecContext, name string, refs ...metav1.OwnerReference) *corev1.ConfigMap {
		c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, OwnerReferences: refs}}
		Expect(admin.Create(ctx, c)).To(Succeed())
		return c
	}
	gone := func(ctx SpecContext, o client.Object) func() bool {
		return func() bool { return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(o), o)) }
	}

	DescribeTable("deletes what a deleted object owned", func(ctx SpecContext, p metav1.DeletionPropagation) {
		w := widget(ctx, "w")
		c := child(ctx, "c", ownedBy(w, true))
		grandchild := child(ctx, "g", metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "c", UID: c.UID, BlockOwnerDeletion: new(true)})
		Expect(admin.Delete(ctx, w, client.PropagationPolicy(p))).To(Succeed())
		Eventually(gone(ctx, w)).Should(BeTrue())
		Eventually(gone(ctx, c)).Should(BeTrue())
		Eventually(gone(ctx, grandchild)).Should(BeTrue())
	},
		Entry("in the background", metav1.DeletePropagationBackground),
		Entry("in the foreground", metav1.DeletePropagationForeground),
	)

	It("lets an owner that is deleted in the foreground wait for what blocks it", func(ctx SpecContext) {
		w := widget(ctx, "w")
		c := child(ctx, "c", ownedBy(w, true))
		c.Finalizers = []string{"test.runnel.dev/hold"}
		Expect(admin.Update(ctx, c)).To(Succeed())
		Expect(admin.Delete(ctx, w, client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(c), c)).To(Succeed())
			g.Expect(c.DeletionTimestamp).NotTo(BeNil())
		}).Should(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(w), w)).To(Succeed())
		release(ctx, c)
		Eventually(gone(ctx, w)).Should(BeTrue())
	})

	It("orphans on request", func(ctx SpecContext) {
		w := widget(ctx, "w")
		c := child(ctx, "c", ownedBy(w, true))
		Expect(admin.Delete(ctx, w, client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
		Eventually(gone(ctx, w)).Should(BeTrue())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(c), c)).To(Succeed())
		Expect(c.OwnerReferences).To(BeEmpty())
	})

	It("keeps what another owner still holds", func(ctx SpecContext) {
		a, b := widget(ctx, "a"), widget(ctx, "b")
		c := child(ctx, "c", ownedBy(a, true), ownedBy(b, false))
		Expect(admin.Delete(ctx, a)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(c), c)).To(Succeed())
			g.Expect(c.OwnerReferences).To(HaveLen(1))
		}).Should(Succeed())
		Expect(c.OwnerReferences[0].Name).To(Equal("b"))
	})

	It("deletes what names an owner that never was", func(ctx SpecContext) {
		c := child(ctx, "c", metav1.OwnerReference{APIVersion: "test.runnel.dev/v1", Kind: "Widget", Name: "ghost", UID: "0c1e1f0e"})
		Eventually(gone(ctx, c)).Should(BeTrue())
	})
})
