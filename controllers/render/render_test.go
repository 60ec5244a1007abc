package render_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

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

func children(g Gomega, s *v1alpha1.EventStream, image string) map[string][]byte {
	r, err := render.Resolve(s)
	g.Expect(err).NotTo(HaveOccurred())
	cfg, err := render.Config(r, []config.Issuer{clusterIssuer})
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

func TestChildrenAreThoseOfTheGoldenFiles(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*/eventstream.yaml")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(inputs).NotTo(BeEmpty())
	for _, input := range inputs {
		dir := filepath.Dir(input)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			g := NewWithT(t)
			files := children(g, readManifest(g, input), "runnel:0.1.0")
			want, err := filepath.Glob(filepath.Join(dir, "*-*.yaml"))
			g.Expect(err).NotTo(HaveOccurred())
			if !*update {
				g.Expect(files).To(HaveLen(len(want)))
			}
			for name, got := range files {
				file := filepath.Join(dir, name)
				if *update {
					g.Expect(os.WriteFile(file, got, 0o644)).To(Succeed())
				}
				golden, err := os.ReadFile(file)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(string(got)).To(Equal(string(golden)), "run the test with -update if %s shall change", file)
			}
		})
	}
}

func TestOnlyTheConfigMapFollowsWhatReloads(t *testing.T) {
	g := NewWithT(t)
	before := children(g, readManifest(g, "testdata/full/eventstream.yaml"), "runnel:0.1.0")
	changed := readManifest(g, "testdata/full/eventstream.yaml")
	template := changed.Spec.Template
	changed.Spec = stream(nil).Spec
	changed.Spec.Template = template
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
	var d struct {
		Spec struct{ Template corev1.PodTemplateSpec }
	}
	g.Expect(yaml.Unmarshal(children(g, s, "runnel:0.1.0")["Deployment-shop-hub.yaml"], &d)).To(Succeed())
	seen := map[string]bool{}
	for i, v := range d.Spec.Template.Spec.Volumes {
		g.Expect(validation.IsDNS1123Label(v.Name)).To(BeEmpty())
		g.Expect(seen).NotTo(HaveKey(v.Name))
		seen[v.Name] = true
		mount := d.Spec.Template.Spec.Containers[0].VolumeMounts[i]
		g.Expect(mount.Name).To(Equal(v.Name))
		g.Expect(mount.ReadOnly).To(BeTrue())
		if v.Secret != nil {
			g.Expect(mount.MountPath).To(Equal(config.ReferencesDir + "/secrets/" + v.Secret.SecretName))
			g.Expect(*v.Secret.Optional).To(BeTrue(), "a pod does not wait for a Secret")
		}
	}
	g.Expect(seen).To(HaveLen(7))
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
	for _, name := range []string{"minimal", "full", "identity"} {
		input := "testdata/" + name + "/eventstream.yaml"
		r, err := render.Resolve(readManifest(g, input))
		g.Expect(err).NotTo(HaveOccurred())
		cfg, err := render.Config(r, []config.Issuer{clusterIssuer})
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

func TestGracePeriodCoversTheLongestDrain(t *testing.T) {
	g := NewWithT(t)
	b := children(g, stream(nil), "runnel:0.1.0")["Deployment-shop-hub.yaml"]
	var d struct {
		Spec struct{ Template corev1.PodTemplateSpec }
	}
	g.Expect(yaml.Unmarshal(b, &d)).To(Succeed())
	g.Expect(*d.Spec.Template.Spec.TerminationGracePeriodSeconds).To(BeNumerically(">", config.MaxDrainWindow.Seconds()))
}
