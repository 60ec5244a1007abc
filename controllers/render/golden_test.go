package render_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/runnel-dev/runnel/controllers/render"
)

const image = "runnel:0.1.0"

var (
	update  = flag.Bool("update", false, "write the golden files anew; those of the last release stay")
	release = flag.Bool("release", false, "make the golden files those of the last release")
)

// cases are the streams of a directory, each beside its children.
func cases(g Gomega, dir string) []string {
	inputs, err := filepath.Glob(filepath.Join(dir, "*", "eventstream.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(inputs).NotTo(BeEmpty())
	return inputs
}

// golden reads the files of a stream's children.
func golden(g Gomega, input string) map[string][]byte {
	paths, err := filepath.Glob(filepath.Join(filepath.Dir(input), "*-*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	files := map[string][]byte{}
	for _, path := range paths {
		files[filepath.Base(path)], err = os.ReadFile(path)
		g.Expect(err).NotTo(HaveOccurred())
	}
	return files
}

func write(g Gomega, dir string, files map[string][]byte) {
	g.Expect(os.RemoveAll(dir)).To(Succeed())
	g.Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
	for name, content := range files {
		g.Expect(os.WriteFile(filepath.Join(dir, name), content, 0o644)).To(Succeed())
	}
}

func expectSame(g Gomega, got, want map[string][]byte, why string) {
	g.Expect(slices.Sorted(maps.Keys(got))).To(Equal(slices.Sorted(maps.Keys(want))), why)
	for name := range want {
		g.Expect(string(got[name])).To(Equal(string(want[name])), "%s: %s", name, why)
	}
}

func TestChildrenAreThoseOfTheGoldenFiles(t *testing.T) {
	for _, input := range cases(NewWithT(t), "testdata") {
		t.Run(filepath.Base(filepath.Dir(input)), func(t *testing.T) {
			g := NewWithT(t)
			got := children(g, readManifest(g, input), image)
			if *update {
				manifest, err := os.ReadFile(input)
				g.Expect(err).NotTo(HaveOccurred())
				files := maps.Clone(got)
				files[filepath.Base(input)] = manifest
				write(g, filepath.Dir(input), files)
			}
			expectSame(g, got, golden(g, input), "run the test with -update if it shall change")
		})
	}
}

// released is what else the golden files of the last release were made of.
type released struct {
	Image   string
	Cluster render.Cluster
}

// TestAnUpgradeRollsNothing renders the streams of the last release with the code of today. A difference in a ConfigMap makes every
// hub reload, one in a Deployment rolls every hub, when their operator is upgraded. Only a release makes today's files the last one's:
// make release-golden.
func TestAnUpgradeRollsNothing(t *testing.T) {
	const dir, settings = "testdata/released", "testdata/released/settings.json"
	g := NewWithT(t)
	if *release {
		made, err := json.MarshalIndent(released{image, cluster}, "", "  ")
		g.Expect(err).NotTo(HaveOccurred())
		write(g, dir, map[string][]byte{filepath.Base(settings): made})
		for _, input := range cases(g, "testdata") {
			files := golden(g, input)
			files[filepath.Base(input)], err = os.ReadFile(input)
			g.Expect(err).NotTo(HaveOccurred())
			write(g, filepath.Join(dir, filepath.Base(filepath.Dir(input))), files)
		}
	}
	b, err := os.ReadFile(settings)
	g.Expect(err).NotTo(HaveOccurred())
	var was released
	g.Expect(json.Unmarshal(b, &was)).To(Succeed())
	for _, input := range cases(g, dir) {
		t.Run(filepath.Base(filepath.Dir(input)), func(t *testing.T) {
			g := NewWithT(t)
			expectSame(g, childrenIn(g, was.Cluster, readManifest(g, input), was.Image), golden(g, input),
				"an upgrade of the operator would change what runs")
		})
	}
}

// TestEveryFieldIsInAGoldenFile goes by the definition: a field that no golden file's stream has would change children unseen.
func TestEveryFieldIsInAGoldenFile(t *testing.T) {
	g := NewWithT(t)
	b, err := os.ReadFile("../../config/crd/bases/runnel.dev_eventstreams.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema schema }
			}
		}
	}
	g.Expect(yaml.Unmarshal(b, &crd)).To(Succeed())
	covered := map[string]bool{}
	for _, input := range cases(g, "testdata") {
		b, err := os.ReadFile(input)
		g.Expect(err).NotTo(HaveOccurred())
		var manifest map[string]any
		g.Expect(yaml.Unmarshal(b, &manifest)).To(Succeed())
		note(covered, "spec", manifest["spec"])
	}
	fields := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].fields("spec")
	g.Expect(len(fields)).To(BeNumerically(">", 40))
	g.Expect(slices.DeleteFunc(fields, func(field string) bool {
		// These say when children follow, not what they are.
		return covered[field] || field == "spec.suspend" || field == "spec.imagePolicy"
	})).To(BeEmpty())
}

type schema struct {
	Properties map[string]schema
	Items      *schema
}

// fields are the paths of all fields, those of Kubernetes' own types as one.
func (s schema) fields(path string) []string {
	if s.Items != nil {
		return s.Items.fields(path)
	}
	kubernetes := slices.ContainsFunc([]string{"resources", "affinity", "topologySpreadConstraints"}, func(name string) bool {
		return path == "spec.template."+name
	})
	if len(s.Properties) == 0 || kubernetes {
		return []string{path}
	}
	var all []string
	for name, property := range s.Properties {
		all = append(all, property.fields(path+"."+name)...)
	}
	return all
}

// note adds the path of a value and of all in it.
func note(paths map[string]bool, path string, value any) {
	paths[path] = true
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			note(paths, path+"."+name, inner)
		}
	case []any:
		for _, inner := range v {
			note(paths, path, inner)
		}
	}
}
