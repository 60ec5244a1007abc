package apiserver_test

import (
	"crypto/x509"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var _ = Describe("Namespaces", func() {
	It("hold a ServiceAccount and the server's certificate, and get them back", func(ctx SpecContext) {
		ns := newNamespace(ctx, nil)
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "default"}}
		ca := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "kube-root-ca.crt"}}
		for range 2 {
			for _, o := range []client.Object{account, ca} {
				Eventually(func() error { return admin.Get(ctx, client.ObjectKeyFromObject(o), o) }).Should(Succeed())
			}
			Expect(x509.NewCertPool().AppendCertsFromPEM([]byte(ca.Data["ca.crt"]))).To(BeTrue())
			Expect(admin.Delete(ctx, account)).To(Succeed())
			Expect(admin.Delete(ctx, ca)).To(Succeed())
		}
	})

	It("go only when all they held is gone, and take nothing new meanwhile", func(ctx SpecContext) {
		name := newNamespace(ctx, nil)
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "held", Finalizers: []string{"test.runnel.dev/hold"}}}
		Expect(admin.Create(ctx, held)).To(Succeed())
		Expect(admin.Create(ctx, newWidget(name, "w", map[string]any{}))).To(Succeed())
		Expect(admin.Delete(ctx, ns)).To(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(ns), ns)).To(Succeed())
		Expect(ns.Status.Phase).To(Equal(corev1.NamespaceTerminating))
		Eventually(func() bool {
			return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKey{Namespace: name, Name: "w"}, newWidget(name, "w", nil)))
		}).Should(BeTrue())
		Eventually(func() error {
			return admin.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: name, GenerateName: "new-"}})
		}).Should(MatchError(ContainSubstring("because it is being terminated")))
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(ns), ns)).To(Succeed())

		release(ctx, held)
		Eventually(func() bool { return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(ns), ns)) }).Should(BeTrue())
	})

	It("must exist before anything is put into them", func(ctx SpecContext) {
		err := admin.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "nowhere", Name: "c"}})
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "%v", err)
	})
})
