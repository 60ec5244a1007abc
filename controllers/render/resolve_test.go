package render_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

func TestUnsetFieldsGetTheBuiltInValues(t *testing.T) {
	g := NewWithT(t)
	r, err := render.Resolve(stream(nil))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Topics).To(Equal([]config.Topic{{Name: "orders", Events: 100, Age: config.Duration(10 * time.Minute)}}))
	g.Expect(r.RetentionBytes).To(BeEquivalentTo(64 << 20))
	g.Expect(r.HeartbeatInterval).To(Equal(15 * time.Second))
	g.Expect(r.ReconnectDelay).To(Equal(2 * time.Second))
	g.Expect(r.MaxConnectionAge).To(Equal(30 * time.Minute))
	g.Expect(r.DrainWindow).To(Equal(time.Minute))
	g.Expect(r.HeartbeatMinimum).To(Equal(5 * time.Second))
	g.Expect(r.ConnectionsPerHub).To(BeZero(), "as many as descriptors and memory allow")
	g.Expect(r.MaxEventSize).To(BeEquivalentTo(256 << 10))
	g.Expect(r.AnonymousPublishers).To(BeFalse())
	g.Expect(r.PublisherGrants).To(Equal([]config.Grant{{Namespace: "team-a", Name: "*", Topics: []string{">"}}}),
		"every ServiceAccount of the stream's own namespace may publish to every topic")
}

func TestTopicRetentionOverridesTheStreams(t *testing.T) {
	g := NewWithT(t)
	r, err := render.Resolve(stream(func(s *v1alpha1.EventStream) {
		s.Spec.Retention.Events = new(int32(5))
		s.Spec.Retention.Age = "2m"
		s.Spec.Topics = []v1alpha1.Topic{
			{Name: "a"},
			{Name: "b", Retention: v1alpha1.TopicRetention{Events: new(int32(1))}},
			{Name: "c", Retention: v1alpha1.TopicRetention{Age: "1h"}},
		}
	}))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Topics).To(Equal([]config.Topic{
		{Name: "a", Events: 5, Age: config.Duration(2 * time.Minute)},
		{Name: "b", Events: 1, Age: config.Duration(2 * time.Minute)},
		{Name: "c", Events: 5, Age: config.Duration(time.Hour)},
	}))
}

func TestPublishers(t *testing.T) {
	for name, c := range map[string]struct {
		publishers *v1alpha1.PublisherAuth
		anonymous  bool
		grants     []config.Grant
		keys       []config.Key
	}{
		"anonymous": {&v1alpha1.PublisherAuth{Anonymous: &v1alpha1.Anonymous{}}, true, nil, nil},
		"a grant without namespace is the stream's own": {
			&v1alpha1.PublisherAuth{ServiceAccounts: []v1alpha1.ServiceAccountGrant{{Name: "checkout", Topics: []string{"orders"}}}},
			false, []config.Grant{{Namespace: "team-a", Name: "checkout", Topics: []string{"orders"}}}, nil,
		},
		"a grant without topics is every topic": {
			&v1alpha1.PublisherAuth{ServiceAccounts: []v1alpha1.ServiceAccountGrant{{Namespace: "ci", Name: "*"}}},
			false, []config.Grant{{Namespace: "ci", Name: "*", Topics: []string{">"}}}, nil,
		},
		"a key alone lets no ServiceAccount publish": {
			&v1alpha1.PublisherAuth{Keys: []v1alpha1.PublisherKey{{Name: "ci", SecretRef: v1alpha1.EntryReference{Name: "shop-ci"}}}},
			false, nil, []config.Key{{Name: "ci", Token: config.Reference{Kind: "Secret", Name: "shop-ci", Key: "token"}, Topics: []string{">"}}},
		},
		"a key beside a grant": {
			&v1alpha1.PublisherAuth{
				ServiceAccounts: []v1alpha1.ServiceAccountGrant{{Namespace: "ci", Name: "*"}},
				Keys:            []v1alpha1.PublisherKey{{Name: "ci", SecretRef: v1alpha1.EntryReference{Name: "shop-ci", Key: "a"}, Topics: []string{"orders"}}},
			},
			false, []config.Grant{{Namespace: "ci", Name: "*", Topics: []string{">"}}},
			[]config.Key{{Name: "ci", Token: config.Reference{Kind: "Secret", Name: "shop-ci", Key: "a"}, Topics: []string{"orders"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r, err := render.Resolve(stream(func(s *v1alpha1.EventStream) { s.Spec.Auth.Publishers = c.publishers }))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(r.AnonymousPublishers).To(Equal(c.anonymous))
			g.Expect(r.PublisherGrants).To(Equal(c.grants))
			g.Expect(r.PublisherKeys).To(Equal(c.keys))
			cfg, err := render.Config(r, nil)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(cfg.Auth.Publishers.Anonymous != nil).To(Equal(c.anonymous))
			g.Expect(cfg.Auth.Publishers.ServiceAccounts != nil).To(Equal(c.grants != nil))
		})
	}
}

func TestReferencesWithoutAKeyHaveTheOneOfTheirField(t *testing.T) {
	g := NewWithT(t)
	named := v1alpha1.EntryReference{Name: "a"}
	r, err := render.Resolve(stream(func(s *v1alpha1.EventStream) {
		s.Spec.Auth.Subscribers = &v1alpha1.SubscriberAuth{JWT: &v1alpha1.JWTAuth{
			Tickets: &v1alpha1.Tickets{SecretRef: named},
			Issuers: []v1alpha1.TokenIssuer{
				{Issuer: "map", JWKS: &v1alpha1.KeySet{ConfigMapRef: &named}},
				{Issuer: "secret", JWKS: &v1alpha1.KeySet{SecretRef: &named}},
				{Issuer: "hmac", HMAC: &v1alpha1.HMAC{SecretRef: named}},
				{Issuer: "own", HMAC: &v1alpha1.HMAC{SecretRef: v1alpha1.EntryReference{Name: "a", Key: "mine"}}},
			},
		}}
	}))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Subscribers.Anonymous).To(BeNil())
	jwt := r.Subscribers.JWT
	g.Expect(jwt.Tickets.String()).To(Equal("Secret a, key key"))
	g.Expect(jwt.Issuers[0].JWKS.String()).To(Equal("ConfigMap a, key jwks.json"))
	g.Expect(jwt.Issuers[1].JWKS.String()).To(Equal("Secret a, key jwks.json"))
	g.Expect(jwt.Issuers[2].HMAC.String()).To(Equal("Secret a, key key"))
	g.Expect(jwt.Issuers[3].HMAC.String()).To(Equal("Secret a, key mine"))
}

func memory(request, limit string) *corev1.ResourceRequirements {
	r := &corev1.ResourceRequirements{}
	if request != "" {
		r.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(request)}
	}
	if limit != "" {
		r.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(limit)}
	}
	return r
}

// The API server rounds quantities of a pod up to thousandths: what is applied must be what is there afterwards.
func TestResourcesAreWhatTheAPIServerKeeps(t *testing.T) {
	g := NewWithT(t)
	s := stream(func(s *v1alpha1.EventStream) {
		s.Spec.Template = &v1alpha1.HubTemplate{Resources: &corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100100u")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200100u"), corev1.ResourceMemory: resource.MustParse("1Gi")},
		}}
	})
	r, err := render.Resolve(s)
	g.Expect(err).NotTo(HaveOccurred())
	text := func(l corev1.ResourceList, name corev1.ResourceName) string { q := l[name]; return q.String() }
	g.Expect(text(r.Resources.Requests, corev1.ResourceCPU)).To(Equal("101m"))
	g.Expect(text(r.Resources.Limits, corev1.ResourceCPU)).To(Equal("201m"))
	g.Expect(text(r.Resources.Limits, corev1.ResourceMemory)).To(Equal("1Gi"))
	g.Expect(text(s.Spec.Template.Resources.Requests, corev1.ResourceCPU)).To(Equal("100100u"), "the stream is the cache's")
}

func TestContradictionsAreNamed(t *testing.T) {
	bytes := func(s string) *resource.Quantity { q := resource.MustParse(s); return &q }
	connections := func(n int32) *int32 { return &n }
	for name, c := range map[string]struct {
		change func(*v1alpha1.EventStreamSpec)
		want   []string // parts of the message; none is a spec that can be carried out
	}{
		"the built-in values fit": {func(*v1alpha1.EventStreamSpec) {}, nil},
		"an event must fit the history": {func(s *v1alpha1.EventStreamSpec) {
			s.Retention.Bytes, s.Limits.MaxEventSize = bytes("1Mi"), bytes("1Mi")
		}, []string{"limits.maxEventSize", "1048576", "2097152"}},
		"half of the history is enough": {func(s *v1alpha1.EventStreamSpec) {
			s.Retention.Bytes, s.Limits.MaxEventSize = bytes("2Mi"), bytes("1Mi")
		}, nil},
		"history beyond the memory limit": {func(s *v1alpha1.EventStreamSpec) {
			s.Retention.Bytes, s.Limits.ConnectionsPerHub = bytes("256Mi"), connections(20000)
		}, []string{"template.resources.limits.memory", "512Mi", "625Mi", "retention.bytes 256Mi", "overhead of 369Mi", "20000"}},
		"a memory limit alone": {func(s *v1alpha1.EventStreamSpec) {
			s.Template = &v1alpha1.HubTemplate{Resources: memory("", "256Mi")}
		}, nil},
		"the limit is raised with it": {func(s *v1alpha1.EventStreamSpec) {
			s.Retention.Bytes, s.Template = bytes("256Mi"), &v1alpha1.HubTemplate{Resources: memory("", "625Mi")}
		}, nil},
		"connections need memory": {func(s *v1alpha1.EventStreamSpec) { s.Limits.ConnectionsPerHub = connections(100000) },
			[]string{"template.resources.limits.memory", "overhead of 1619Mi", "100000"}},
		"fewer connections need less": {func(s *v1alpha1.EventStreamSpec) {
			s.Limits.ConnectionsPerHub, s.Template = connections(1000), &v1alpha1.HubTemplate{Resources: memory("", "136Mi")}
		}, nil},
		"connections that are left to the hub need what the fewest take": {func(s *v1alpha1.EventStreamSpec) {
			s.Template = &v1alpha1.HubTemplate{Resources: memory("", "122Mi")}
		}, nil},
		"less than the fewest take": {func(s *v1alpha1.EventStreamSpec) {
			s.Template = &v1alpha1.HubTemplate{Resources: memory("", "121Mi")}
		}, []string{"template.resources.limits.memory", "122Mi", "56Mi, and 16Ki for each of 100 connections", "lower retention.bytes"}},
		"without a memory limit anything fits": {func(s *v1alpha1.EventStreamSpec) {
			s.Retention.Bytes, s.Template = bytes("64Gi"), &v1alpha1.HubTemplate{Resources: memory("1Gi", "")}
		}, nil},
		"a request above its limit": {func(s *v1alpha1.EventStreamSpec) {
			s.Template = &v1alpha1.HubTemplate{Resources: memory("2Gi", "1Gi")}
		}, []string{"template.resources.requests.memory", "2Gi", "1Gi"}},
		"claims": {func(s *v1alpha1.EventStreamSpec) {
			s.Template = &v1alpha1.HubTemplate{Resources: &corev1.ResourceRequirements{Claims: []corev1.ResourceClaim{{Name: "gpu"}}}}
		}, []string{"template.resources.claims"}},
		"a duration past the API server": {func(s *v1alpha1.EventStreamSpec) { s.Heartbeat.Interval = "soon" },
			[]string{"heartbeat.interval", "soon"}},
		"a duration with decimals": {func(s *v1alpha1.EventStreamSpec) { s.Drain.Window = "1.5m" },
			[]string{"drain.window", "1.5m", "write whole numbers"}},
		"an engine of a newer operator": {func(s *v1alpha1.EventStreamSpec) { s.Engine = &v1alpha1.Engine{Type: "JetStream"} },
			[]string{"engine.type", `does not know "JetStream"`, "write Memory, or upgrade the operator"}},
		"an image policy of a newer operator": {func(s *v1alpha1.EventStreamSpec) { s.ImagePolicy = "Canary" },
			[]string{"imagePolicy", `does not know "Canary"`, "write Pinned or FollowOperator"}},
		"a certificate from where a newer operator knows": {func(s *v1alpha1.EventStreamSpec) { s.TLS = &v1alpha1.TLS{} },
			[]string{"tls", "secretName"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := render.Resolve(stream(func(s *v1alpha1.EventStream) { c.change(&s.Spec) }))
			if len(c.want) == 0 {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			var invalid *render.InvalidError
			g.Expect(err).To(BeAssignableToTypeOf(invalid))
			for _, part := range c.want {
				g.Expect(err.Error()).To(ContainSubstring(part))
			}
		})
	}
}

// A member of a union that this operator does not know arrives as one that is not set.
func TestAUnionWhoseMemberIsUnknownIsRefused(t *testing.T) {
	jwt := func(i v1alpha1.TokenIssuer) func(*v1alpha1.EventStreamSpec) {
		i.Issuer, i.Audiences, i.Topics = "https://id.example", []string{"shop"}, []string{"orders"}
		return func(s *v1alpha1.EventStreamSpec) {
			s.Auth.Subscribers = &v1alpha1.SubscriberAuth{JWT: &v1alpha1.JWTAuth{Issuers: []v1alpha1.TokenIssuer{i}}}
		}
	}
	for name, c := range map[string]struct {
		change func(*v1alpha1.EventStreamSpec)
		want   string
	}{
		"subscribers": {func(s *v1alpha1.EventStreamSpec) { s.Auth.Subscribers = &v1alpha1.SubscriberAuth{} }, "auth.subscribers:"},
		"publishers":  {func(s *v1alpha1.EventStreamSpec) { s.Auth.Publishers = &v1alpha1.PublisherAuth{} }, "auth.publishers:"},
		"issuer":      {jwt(v1alpha1.TokenIssuer{}), "exactly one of jwksURI, jwks and hmac"},
		"key set":     {jwt(v1alpha1.TokenIssuer{JWKS: &v1alpha1.KeySet{}}), "exactly one of jwksURI, jwks and hmac"},
		"hmac":        {jwt(v1alpha1.TokenIssuer{HMAC: &v1alpha1.HMAC{}}), "issuers[0].hmac:"},
		"CA bundle":   {jwt(v1alpha1.TokenIssuer{JWKSURI: "https://id.example/keys", CABundleRef: &v1alpha1.CABundle{}}), "issuers[0].caBundle:"},
		"publisher key": {func(s *v1alpha1.EventStreamSpec) {
			s.Auth.Publishers = &v1alpha1.PublisherAuth{Keys: []v1alpha1.PublisherKey{{Name: "ci"}}}
		}, "keys[0].token:"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r, err := render.Resolve(stream(func(s *v1alpha1.EventStream) { c.change(&s.Spec) }))
			g.Expect(err).NotTo(HaveOccurred())
			_, err = render.Config(r, nil)
			g.Expect(err).To(BeAssignableToTypeOf(&render.InvalidError{}))
			g.Expect(err).To(MatchError(ContainSubstring(c.want)))
		})
	}
}

func TestConfigRefusesWhatTheSchemaWould(t *testing.T) {
	g := NewWithT(t)
	r, err := render.Resolve(stream(func(s *v1alpha1.EventStream) { s.Spec.Topics = nil }))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = render.Config(r, nil)
	var invalid *render.InvalidError
	g.Expect(err).To(BeAssignableToTypeOf(invalid))
	g.Expect(err.Error()).To(ContainSubstring("topics"))
}
