package render_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

func TestRenderingTwiceGivesTheSame(t *testing.T) {
	g := NewWithT(t)
	s := readManifest(g, "testdata/full/eventstream.yaml")
	untouched := s.DeepCopy()
	g.Expect(children(g, s, "runnel:0.1.0")).To(Equal(children(g, s, "runnel:0.1.0")))
	g.Expect(s).To(Equal(untouched), "rendering does not change its input")
}

func TestConfigDocumentIsReadByTheHub(t *testing.T) {
	g := NewWithT(t)
	for _, input := range []string{"testdata/minimal/eventstream.yaml", "testdata/full/eventstream.yaml"} {
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
