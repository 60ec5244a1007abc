package render_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

// clusterIssuer is a cluster's issuer as the operator hands it on.
var clusterIssuer = config.Issuer{
	URL:  "https://kubernetes.default.svc.cluster.local",
	Keys: json.RawMessage(`{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}`),
}

func stream(change func(*v1alpha1.EventStream)) *v1alpha1.EventStream {
	s := &v1alpha1.EventStream{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop"},
		Spec: v1alpha1.EventStreamSpec{
			Topics: []v1alpha1.Topic{{Name: "orders"}},
			Auth:   &v1alpha1.Auth{Subscribers: &v1alpha1.SubscriberAuth{Anonymous: &v1alpha1.Anonymous{}}},
		},
	}
	if change != nil {
		change(s)
	}
	return s
}

// cluster is what the tests' hubs are told of theirs.
var cluster = render.Cluster{Domain: "cluster.local", Issuers: []config.Issuer{clusterIssuer}}

func children(g Gomega, s *v1alpha1.EventStream, image string) map[string][]byte {
	return childrenIn(g, cluster, s, image)
}

func childrenIn(g Gomega, in render.Cluster, s *v1alpha1.EventStream, image string) map[string][]byte {
	r, err := render.Resolve(s)
	g.Expect(err).NotTo(HaveOccurred())
	cfg, err := render.Config(r, &in)
	g.Expect(err).NotTo(HaveOccurred())
	list, err := render.Children(render.Input{Stream: r, Config: cfg, Image: image})
	g.Expect(err).NotTo(HaveOccurred())
	files := map[string][]byte{}
	for _, c := range list {
		g.Expect(*c.Meta.Name).To(Equal(c.Name))
		g.Expect(c.Meta.Labels).To(HaveKeyWithValue(render.LabelManagedBy, render.ManagedBy), "the operator's caches hold only this label")
		b, err := yaml.Marshal(c.Object)
		g.Expect(err).NotTo(HaveOccurred())
		files[c.Kind.Kind+"-"+c.Name+".yaml"] = b
	}
	return files
}

// readManifest reads a stream as kubectl would send it.
func readManifest(g Gomega, file string) *v1alpha1.EventStream {
	b, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	s := &v1alpha1.EventStream{}
	g.Expect(yaml.UnmarshalStrict(b, s)).To(Succeed())
	return s
}

func TestOnlyTheConfigMapFollowsWhatReloads(t *testing.T) {
	g := NewWithT(t)
	before := children(g, readManifest(g, "testdata/full/eventstream.yaml"), "runnel:0.1.0")
	changed := readManifest(g, "testdata/full/eventstream.yaml")
	template := changed.Spec.Template
	changed.Spec = stream(nil).Spec
	changed.Spec.Template = template
	changed.Spec.Drain.Window = "3m" // beyond a minute, as before
	after := children(g, changed, "runnel:0.1.0")
	for name, b := range before {
		if name == "ConfigMap-checkout-events-hub.yaml" {
			g.Expect(after[name]).NotTo(Equal(b))
			continue
		}
		g.Expect(string(after[name])).To(Equal(string(b)), "%s must not change when the configuration reloads", name)
	}
}

func TestPodsFollowOnlyWhatIsMounted(t *testing.T) {
	const input = "testdata/identity/eventstream.yaml"
	key := func(name, secret, entry string) v1alpha1.PublisherKey {
		return v1alpha1.PublisherKey{Name: name, SecretRef: v1alpha1.EntryReference{Name: secret, Key: entry}}
	}
	for name, c := range map[string]struct {
		change func(*v1alpha1.EventStreamSpec)
		rolls  bool
	}{
		"another entry of a Secret": {func(s *v1alpha1.EventStreamSpec) { s.Auth.Publishers.Keys[0].SecretRef.Key = "other" }, false},
		"a Secret referenced again": {func(s *v1alpha1.EventStreamSpec) {
			s.Auth.Publishers.Keys = append(s.Auth.Publishers.Keys, key("third", "shop-tls", "tls.crt"))
		}, false},
		"a Secret referenced once less": {func(s *v1alpha1.EventStreamSpec) { s.Auth.Publishers.Keys = s.Auth.Publishers.Keys[:1] }, false},
		"another order":                 {func(s *v1alpha1.EventStreamSpec) { slices.Reverse(s.Auth.Subscribers.JWT.Issuers) }, false},
		"what an issuer grants":         {func(s *v1alpha1.EventStreamSpec) { s.Auth.Subscribers.JWT.Issuers[0].Topics = []string{"orders"} }, false},
		"another URL of keys":           {func(s *v1alpha1.EventStreamSpec) { s.Auth.Subscribers.JWT.Issuers[0].JWKSURI = "https://a.example" }, false},
		"keys from a URL, not a ConfigMap": {func(s *v1alpha1.EventStreamSpec) {
			s.Auth.Subscribers.JWT.Issuers[1].JWKS, s.Auth.Subscribers.JWT.Issuers[1].JWKSURI = nil, "https://partner.example/keys"
		}, true},
		"another name": {func(s *v1alpha1.EventStreamSpec) { s.Auth.Subscribers.JWT.Tickets.SecretRef.Name = "tickets" }, true},
		"a Secret more": {func(s *v1alpha1.EventStreamSpec) {
			s.Auth.Publishers.Keys = append(s.Auth.Publishers.Keys, key("third", "more", ""))
		}, true},
		"no certificate": {func(s *v1alpha1.EventStreamSpec) { s.TLS = nil }, true},
		// A hub decides at its start whether its ports are encrypted.
		"no certificate, of a Secret that stays": {func(s *v1alpha1.EventStreamSpec) {
			s.Auth.Publishers.Keys[0].SecretRef, s.TLS = v1alpha1.EntryReference{Name: s.TLS.SecretName}, nil
		}, true},
		"nothing to reference": {func(s *v1alpha1.EventStreamSpec) {
			s.TLS, s.Auth = nil, stream(nil).Spec.Auth
			s.Limits = v1alpha1.Limits{}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			before := children(g, readManifest(g, input), "runnel:0.1.0")
			s := readManifest(g, input)
			c.change(&s.Spec)
			after := children(g, s, "runnel:0.1.0")
			g.Expect(after["ConfigMap-shop-hub.yaml"]).NotTo(Equal(before["ConfigMap-shop-hub.yaml"]), "it is a change")
			const deployment = "Deployment-shop-hub.yaml"
			g.Expect(string(after[deployment]) != string(before[deployment])).To(Equal(c.rolls))
		})
	}
}

func TestVolumesHaveNamesOfTheirOwn(t *testing.T) {
	g := NewWithT(t)
	long := strings.Repeat("a", 200)
	s := stream(func(s *v1alpha1.EventStream) {
		s.Spec.Auth.Publishers = &v1alpha1.PublisherAuth{}
		for i, name := range []string{"a", "a.b", "a-b", long, long + "a", "config"} {
			s.Spec.Auth.Publishers.Keys = append(s.Spec.Auth.Publishers.Keys, v1alpha1.PublisherKey{
				Name: fmt.Sprint("key", i), SecretRef: v1alpha1.EntryReference{Name: name},
			})
		}
	})
	spec := pod(g, s)
	seen := map[string]bool{}
	for i, v := range spec.Volumes {
		g.Expect(validation.IsDNS1123Label(v.Name)).To(BeEmpty())
		g.Expect(seen).NotTo(HaveKey(v.Name))
		seen[v.Name] = true
		mount := spec.Containers[0].VolumeMounts[i]
		g.Expect(mount.Name).To(Equal(v.Name))
		g.Expect(mount.ReadOnly).To(BeTrue())
		if v.Secret != nil {
			g.Expect(mount.MountPath).To(Equal(config.ReferencesDir + "/secrets/" + v.Secret.SecretName))
			g.Expect(*v.Secret.Optional).To(BeTrue(), "a pod does not wait for a Secret")
		}
	}
	g.Expect(seen).To(HaveLen(8), "the configuration, the token for peers and six Secrets")
}

func TestRenderingTwiceGivesTheSame(t *testing.T) {
	g := NewWithT(t)
	s := readManifest(g, "testdata/full/eventstream.yaml")
	untouched := s.DeepCopy()
	g.Expect(children(g, s, "runnel:0.1.0")).To(Equal(children(g, s, "runnel:0.1.0")))
	g.Expect(s).To(Equal(untouched), "rendering does not change its input")
}

func TestConfigDocumentIsReadByTheHub(t *testing.T) {
	g := NewWithT(t)
	for _, input := range cases(g, "testdata") {
		r, err := render.Resolve(readManifest(g, input))
		g.Expect(err).NotTo(HaveOccurred())
		cfg, err := render.Config(r, &cluster)
		g.Expect(err).NotTo(HaveOccurred())
		document, err := config.Encode(cfg)
		g.Expect(err).NotTo(HaveOccurred())
		read, err := config.Decode(document)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(config.Hash(read)).To(Equal(config.Hash(cfg)), "operator and hub name a configuration alike")
	}
}

func TestSelectorIsForEver(t *testing.T) {
	NewWithT(t).Expect(render.Selector("shop")).To(Equal(map[string]string{
		"app.kubernetes.io/name": "runnel-hub", "app.kubernetes.io/instance": "shop",
	}))
}

// TestTheGracePeriodFollowsTheDrainInTwoSteps holds that most changes of the window roll nobody's hub.
func TestTheGracePeriodFollowsTheDrainInTwoSteps(t *testing.T) {
	for window, want := range map[v1alpha1.Duration]int64{
		"": 150, "1s": 150, "59s": 150, "60s": 150, "1m": 150, "61s": 705, "2m": 705, "10m": 705,
	} {
		t.Run(string(window), func(t *testing.T) {
			g := NewWithT(t)
			s := stream(nil)
			s.Spec.Drain.Window = window
			spec := pod(g, s)
			g.Expect(*spec.TerminationGracePeriodSeconds).To(Equal(want))
			g.Expect(spec.Containers[0].Args).To(ContainElement("--grace-period=" + (time.Duration(want) * time.Second).String()))
			drain, err := window.Parse(config.DefaultDrainWindow)
			g.Expect(err).NotTo(HaveOccurred())
			const cut, end = 30 * time.Second, 5 * time.Second // of subscribers that take nothing, and of what else is in flight
			g.Expect(time.Duration(want) * time.Second).To(BeNumerically(">", config.SuccessorWait+config.EndpointsDelay+drain+cut+end))
		})
	}
}

func TestAHubHasNoCredentialButForItsPeers(t *testing.T) {
	g := NewWithT(t)
	s := stream(nil)
	spec := pod(g, s)
	g.Expect(*spec.AutomountServiceAccountToken).To(BeFalse())
	var tokens []corev1.ServiceAccountTokenProjection
	for _, v := range spec.Volumes {
		if v.Projected != nil {
			for _, source := range v.Projected.Sources {
				tokens = append(tokens, *source.ServiceAccountToken)
			}
		}
	}
	g.Expect(tokens).To(HaveLen(1))
	r, err := render.Resolve(s)
	g.Expect(err).NotTo(HaveOccurred())
	cfg, err := render.Config(r, &cluster)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cfg.Peers).To(Equal(&config.Peers{
		Service: "shop-hub.team-a.svc.cluster.local.", Audience: tokens[0].Audience, Account: spec.ServiceAccountName,
	}), "hubs are known by the account that they run as, and a token that is theirs alone")
	g.Expect(tokens[0].Audience).NotTo(Equal(render.Audience("team-a", "shop")), "of no use to publish")
}

func TestAHubWithoutAClusterStandsAlone(t *testing.T) {
	g := NewWithT(t)
	r, err := render.Resolve(stream(nil))
	g.Expect(err).NotTo(HaveOccurred())
	cfg, err := render.Config(r, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cfg.Peers).To(BeNil())
	g.Expect(cfg.Auth.Issuers).To(BeEmpty())
}

// pod is the stream's pod as rendered.
func pod(g Gomega, s *v1alpha1.EventStream) corev1.PodSpec {
	var d struct {
		Spec struct{ Template corev1.PodTemplateSpec }
	}
	g.Expect(yaml.Unmarshal(children(g, s, "runnel:0.1.0")["Deployment-"+render.HubName(s.Name)+".yaml"], &d)).To(Succeed())
	return d.Spec.Template.Spec
}

// What is no child by its name is deleted, so each child has to be among the names.
func TestTheNamesAreThoseOfTheChildren(t *testing.T) {
	g := NewWithT(t)
	r, err := render.Resolve(stream(nil))
	g.Expect(err).NotTo(HaveOccurred())
	cfg, err := render.Config(r, &cluster)
	g.Expect(err).NotTo(HaveOccurred())
	list, err := render.Children(render.Input{Stream: r, Config: cfg, Image: "runnel:0.1.0"})
	g.Expect(err).NotTo(HaveOccurred())
	names := map[string][]string{}
	for _, c := range list {
		names[c.Kind.Kind] = append(names[c.Kind.Kind], c.Name)
	}
	for kind, object := range map[string]any{
		"ServiceAccount": &corev1.ServiceAccount{}, "ConfigMap": &corev1.ConfigMap{}, "Service": &corev1.Service{}, "Deployment": &appsv1.Deployment{},
	} {
		g.Expect(render.Names(object, "shop")).To(ConsistOf(names[kind]), kind)
		delete(names, kind)
	}
	g.Expect(names).To(BeEmpty(), "another kind needs its names, and an index")
	g.Expect(render.Names(&corev1.Pod{}, "shop")).To(BeEmpty())
}
