package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/test/sse"
)

var _ = Describe("A stream over TLS", func() {
	It("waits for its certificate, shows the newest one, and loses no connection when it is renewed", func(ctx SpecContext) {
		o := shop(newNamespace(ctx))
		o.Spec.TLS = &v1alpha1.TLS{SecretName: "shop-tls"}
		Expect(p.Client.Create(ctx, o)).To(Succeed())
		s := &stream{key: client.ObjectKeyFromObject(o)}
		const missing = "missing in namespace "
		Expect(s.condition(ctx, v1alpha1.ConditionAvailable, "False", "SecretMissing")).To(And(
			ContainSubstring(missing+o.Namespace), ContainSubstring("Secret shop-tls, key tls.crt")))
		s.condition(ctx, v1alpha1.ConditionReady, "False", "SecretMissing")
		pod := s.hub(ctx)

		// A client checks the certificate for the name by which it comes; here all names are of one.
		const name = "events.shop.example"
		first, second := certificate(1, name), certificate(2, name)
		s.holds(ctx, "shop-tls", corev1.SecretTypeTLS, first)
		s.transport = trusting(name, first, second)
		s.connect(ctx)
		Expect(run(s.hub(ctx))).To(Equal(run(pod)), "it has waited")
		status := s.now(ctx).Status
		Expect(status.SubscribeURL).To(Equal("https://shop-subscribe." + o.Namespace + ".svc.cluster.local"))
		Expect(status.Address.URL).To(Equal("https://shop-publish." + o.Namespace + ".svc.cluster.local"))
		Expect([]string{s.subscribe, s.publish}).To(HaveEach(HavePrefix("https://")))
		_, err := sse.Open(ctx, strings.Replace(s.subscribe, "https://", "http://", 1)+"/v1/topics/orders/events")
		Expect(err).To(HaveOccurred(), "there is no clear text")

		r := s.read(ctx, "")
		s.send(ctx, "over the first")
		Expect(r.receives(ctx)).To(Equal("over the first"))
		Expect(s.shown(ctx, name, first, second)).To(BeEquivalentTo(1))
		s.holds(ctx, "shop-tls", corev1.SecretTypeTLS, second)
		Eventually(s.shown).WithContext(ctx).WithArguments(name, first, second).Should(BeEquivalentTo(2))
		s.send(ctx, "over the second")
		Expect(r.receives(ctx)).To(Equal("over the second"))
		Expect(run(s.hub(ctx))).To(Equal(run(pod)))
	})
})

// shown is the serial number of the certificate that a new reader is shown.
func (s *stream) shown(ctx context.Context, name string, secrets ...map[string][]byte) int64 {
	GinkgoHelper()
	var leaf *x509.Certificate
	transport := trusting(name, secrets...)
	transport.TLSClientConfig.VerifyConnection = func(c tls.ConnectionState) error {
		leaf = c.PeerCertificates[0]
		return nil
	}
	c, err := sse.OpenBy(ctx, transport, s.subscribe+"/v1/topics/orders/events")
	Expect(err).NotTo(HaveOccurred())
	c.Close()
	return leaf.SerialNumber.Int64()
}
