package e2e_test

import (
	"context"
	"errors"
	"net/http"

	"github.com/golang-jwt/jwt/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/test/sse"
)

// key lets publish who sends what a Secret holds.
func key(name, secret, entry string, topics ...string) v1alpha1.PublisherKey {
	return v1alpha1.PublisherKey{Name: name, SecretRef: v1alpha1.EntryReference{Name: secret, Key: entry}, Topics: topics}
}

var _ = Describe("A stream that names Secrets", func() {
	It("says which one is missing, and takes it up when it is made and when it changes, with no connection lost", func(ctx SpecContext) {
		o := shop(newNamespace(ctx))
		o.Spec.Auth.Publishers = &v1alpha1.PublisherAuth{Keys: []v1alpha1.PublisherKey{key("ci", "shop-ci", "")}}
		Expect(p.Client.Create(ctx, o)).To(Succeed())
		s := &stream{key: client.ObjectKeyFromObject(o)}
		Expect(s.condition(ctx, v1alpha1.ConditionConfigLoaded, "False", "SecretMissing")).To(And(
			ContainSubstring("namespace "+o.Namespace+": Secret shop-ci, key token."), ContainSubstring("Make them")))
		s.condition(ctx, v1alpha1.ConditionReady, "False", "SecretMissing")
		s.condition(ctx, v1alpha1.ConditionAvailable, "True", "Available")
		s.reached(ctx)
		const first, second = "the-first-token-of-ci", "the-second-token-of-ci"
		r, before := s.read(ctx, ""), run(s.hub(ctx))
		status, body := s.post(ctx, first, "orders", "too early")
		Expect(status).To(Equal(http.StatusServiceUnavailable), body)

		s.holds(ctx, "shop-ci", corev1.SecretTypeOpaque, map[string][]byte{"token": []byte(first + "\n")})
		s.condition(ctx, v1alpha1.ConditionConfigLoaded, "True", "ConfigLoaded")
		s.ready(ctx)
		status, body = s.post(ctx, first, "orders", "by the first")
		Expect(status).To(Equal(http.StatusOK), body)
		Expect(r.receives(ctx)).To(Equal("by the first"))

		s.holds(ctx, "shop-ci", corev1.SecretTypeOpaque, map[string][]byte{"token": []byte(second)})
		Eventually(func() int {
			status, _ := s.post(ctx, second, "orders", "by the second")
			return status
		}).Should(Equal(http.StatusOK))
		status, body = s.post(ctx, first, "orders", "too late")
		Expect(status).To(Equal(http.StatusUnauthorized), body)
		Expect(body).NotTo(ContainSubstring(first), "a credential is not repeated")
		Expect(r.receives(ctx)).To(Equal("by the second"))
		Expect(run(s.hub(ctx))).To(Equal(before))
	})

	It("rolls its hub only for one that it names for the first time or no longer", func(ctx SpecContext) {
		s := serving(ctx)
		s.holds(ctx, "shop-keys", corev1.SecretTypeOpaque, map[string][]byte{"a": []byte("sixteen-bytes--a"), "b": []byte("sixteen-bytes--b")})
		accounts := []v1alpha1.ServiceAccountGrant{{Name: publisher}}
		hub := s.hub(ctx).UID
		for _, c := range []struct {
			what  string
			keys  []v1alpha1.PublisherKey
			rolls bool
		}{
			{"a first reference", []v1alpha1.PublisherKey{key("a", "shop-keys", "a")}, true},
			{"another entry", []v1alpha1.PublisherKey{key("a", "shop-keys", "b")}, false},
			{"other topics", []v1alpha1.PublisherKey{key("a", "shop-keys", "b", "orders")}, false},
			{"a second reference", []v1alpha1.PublisherKey{key("z", "shop-keys", "a"), key("a", "shop-keys", "b")}, false},
			{"one reference less", []v1alpha1.PublisherKey{key("z", "shop-keys", "a")}, false},
			{"no reference", nil, true},
		} {
			By(c.what)
			s.change(ctx, func(spec *v1alpha1.EventStreamSpec) {
				spec.Auth.Publishers = &v1alpha1.PublisherAuth{ServiceAccounts: accounts, Keys: c.keys}
			})
			if !c.rolls {
				s.ready(ctx)
				Expect(s.hub(ctx).UID).To(Equal(hub))
				continue
			}
			s.alone(ctx, hub)
			s.servesAgain(ctx)
			hub = s.hub(ctx).UID
		}
	})
})

var _ = Describe("A stream with readers' tokens", func() {
	It("lets in whom its issuers know, to what they grant, and takes up another key with no connection lost", func(ctx SpecContext) {
		secret, old, fresh := []byte("32 bytes that nobody else knows."), newKey(), newKey()
		o := shop(newNamespace(ctx))
		o.Spec.Topics = append(o.Spec.Topics, v1alpha1.Topic{Name: "users.>"})
		o.Spec.Auth.Subscribers = &v1alpha1.SubscriberAuth{JWT: &v1alpha1.JWTAuth{
			Issuers: []v1alpha1.TokenIssuer{
				{
					Issuer: "internal", Audiences: []string{"shop"}, Topics: []string{"orders", "users.{sub}.>"},
					HMAC: &v1alpha1.HMAC{SecretRef: v1alpha1.EntryReference{Name: "internal"}},
				},
				{
					Issuer: "https://partner.example", Audiences: []string{"shop"}, TopicsClaim: "runnel.topics",
					JWKS: &v1alpha1.KeySet{ConfigMapRef: &v1alpha1.EntryReference{Name: "partner"}},
				},
			},
			Cookie: "__Secure-runnel",
		}}
		Expect(p.Client.Create(ctx, o)).To(Succeed())
		s := &stream{key: client.ObjectKeyFromObject(o)}
		Expect(s.condition(ctx, v1alpha1.ConditionConfigLoaded, "False", "SecretMissing")).To(
			ContainSubstring("ConfigMap partner, key jwks.json; Secret internal, key key."))
		s.holds(ctx, "internal", corev1.SecretTypeOpaque, map[string][]byte{"key": secret})
		s.publishes(ctx, "partner", map[string]string{"jwks.json": keySet("old", old)})
		s.connect(ctx)

		internal := func(subject string) string {
			return signed(jwt.SigningMethodHS256, secret, "", claimsOf("internal", subject, nil))
		}
		partner := func(id string, with any, topics ...string) string {
			return signed(jwt.SigningMethodES256, with, id, claimsOf("https://partner.example", "alice", jwt.MapClaims{"runnel": map[string]any{"topics": topics}}))
		}
		for _, c := range []struct {
			who, topic string
			header     sse.Header
			status     int
		}{
			{"nobody", "orders", sse.With("Accept", "text/event-stream"), http.StatusUnauthorized},
			{"a token", "orders", bearing(internal("alice")), http.StatusOK},
			{"a token in a cookie", "orders", sse.With("Cookie", "__Secure-runnel="+internal("alice")), http.StatusOK},
			{"a token for one's own topics", "users.alice.carts", bearing(internal("alice")), http.StatusOK},
			{"a token for another's topics", "users.bob.carts", bearing(internal("alice")), http.StatusForbidden},
			{"another issuer's token of the same subject", "users.alice.carts", bearing(partner("old", old, "orders")), http.StatusForbidden},
			{"a token that lists topics", "users.bob.carts", bearing(partner("old", old, "users.*.carts")), http.StatusOK},
			{"a token by a key of nobody", "orders", bearing(partner("old", fresh, "orders")), http.StatusUnauthorized},
		} {
			Expect(s.readStatus(ctx, c.topic, c.header)).To(Equal(c.status), c.who)
		}

		r, before := s.read(ctx, "", bearing(partner("old", old, "orders"))), run(s.hub(ctx))
		s.publishes(ctx, "partner", map[string]string{"jwks.json": keySet("new", fresh)})
		Eventually(s.readStatus).WithContext(ctx).WithArguments("orders", bearing(partner("new", fresh, "orders"))).Should(Equal(http.StatusOK))
		Expect(s.readStatus(ctx, "orders", bearing(partner("old", old, "orders")))).To(Equal(http.StatusUnauthorized))
		s.send(ctx, "still here")
		Expect(r.receives(ctx)).To(Equal("still here"))
		Expect(run(s.hub(ctx))).To(Equal(before))
	})
})

// readStatus is the status of a try to read a topic.
func (s *stream) readStatus(ctx context.Context, topic string, headers ...sse.Header) int {
	GinkgoHelper()
	c, err := sse.OpenBy(ctx, s.by(), s.subscribe+"/v1/topics/"+topic+"/events", headers...)
	var refused *sse.StatusError
	if errors.As(err, &refused) {
		return refused.Status
	}
	Expect(err).NotTo(HaveOccurred())
	c.Close()
	return http.StatusOK
}
