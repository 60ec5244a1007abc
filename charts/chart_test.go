package charts

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

func read(g Gomega, path string) []byte {
	b, err := os.ReadFile(filepath.FromSlash(path))
	g.Expect(err).NotTo(HaveOccurred())
	return b
}

func TestTheChartHasTheGeneratedFiles(t *testing.T) {
	for chart, generated := range map[string]string{
		"runnel/files/eventstreams.yaml": "../config/crd/bases/runnel.dev_eventstreams.yaml",
		"runnel/files/role.yaml":         "../config/rbac/role.yaml",
		"runnel/files/issuer_role.yaml":  "../config/rbac/issuer_role.yaml",
	} {
		g := NewWithT(t)
		g.Expect(string(read(g, chart))).To(Equal(string(read(g, generated))), "run make generate")
	}
}

func TestEveryDefinitionIsInTheChart(t *testing.T) {
	g := NewWithT(t)
	definitions, err := filepath.Glob("../config/crd/bases/*.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(definitions).To(HaveLen(1), "a new definition needs a template of the chart, and a line in the test above")
}

// TestTheSchemaKnowsTheValues compares names: a value that the schema does not know would be refused, one that only the schema
// knows would do nothing.
func TestTheSchemaKnowsTheValues(t *testing.T) {
	g := NewWithT(t)
	values := map[string]any{}
	g.Expect(yaml.Unmarshal(read(g, "runnel/values.yaml"), &values)).To(Succeed())
	schema := map[string]any{}
	g.Expect(json.Unmarshal(read(g, "runnel/values.schema.json"), &schema)).To(Succeed())
	properties := schema["properties"].(map[string]any)
	delete(properties, "global") // Helm's own
	compare(g, "", values, properties)
}

func compare(g Gomega, path string, values, properties map[string]any) {
	for name := range properties {
		g.Expect(values).To(HaveKey(name), "values.yaml lacks %s%s", path, name)
	}
	for name, value := range values {
		g.Expect(properties).To(HaveKey(name), "values.schema.json lacks %s%s", path, name)
		nested, isMap := value.(map[string]any)
		inner, hasInner := properties[name].(map[string]any)["properties"].(map[string]any)
		if isMap && hasInner && len(nested) > 0 && name != "resources" { // an empty one may be filled in as the schema says
			compare(g, path+name+".", nested, inner)
		}
	}
}
