package e2e_test

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/runnel-dev/runnel/config/crd"
)

// schema is the spec's part of the CustomResourceDefinition, below the object itself.
func schema() *apiextensionsv1.JSONSchemaProps {
	definition := &apiextensionsv1.CustomResourceDefinition{}
	Expect(yaml.UnmarshalStrict(crd.EventStreams, definition)).To(Succeed())
	Expect(definition.Spec.Versions).To(HaveLen(1))
	object := definition.Spec.Versions[0].Schema.OpenAPIV3Schema
	delete(object.Properties, "status") // only the operator writes it
	return object
}

// rulesOf lists every rule of a schema as "path keyword", or "path rule: message" for one in CEL,
// whose path is where the refusal is reported. In a path, [] is each item of a
// list and {} each value of a map. What a type alone says is no rule.
func rulesOf(path string, s *apiextensionsv1.JSONSchemaProps) (out []string) {
	has := func(keyword string, there bool) {
		if there {
			out = append(out, path+" "+keyword)
		}
	}
	has("pattern", s.Pattern != "")
	has("minimum", s.Minimum != nil)
	has("maximum", s.Maximum != nil)
	has("minLength", s.MinLength != nil)
	has("maxLength", s.MaxLength != nil)
	has("minItems", s.MinItems != nil)
	has("maxItems", s.MaxItems != nil)
	has("minProperties", s.MinProperties != nil)
	has("maxProperties", s.MaxProperties != nil)
	has("enum", len(s.Enum) > 0)
	has("format", s.Format == "int32" && s.Maximum == nil)
	if s.XListType != nil && *s.XListType != "atomic" {
		has("unique", true)
	}
	for _, name := range s.Required {
		has("requires "+name, true)
	}
	for _, r := range s.XValidations {
		out = append(out, path+r.FieldPath+" rule: "+r.Message)
	}
	for _, name := range sortedKeys(s.Properties) {
		property := s.Properties[name]
		out = append(out, rulesOf(cmp.Or(path+".", ".")+name, &property)...)
	}
	if s.Items != nil && s.Items.Schema != nil {
		out = append(out, rulesOf(path+"[]", s.Items.Schema)...)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		out = append(out, rulesOf(path+"{}", s.AdditionalProperties.Schema)...)
	}
	return out
}

// at is the schema of a path.
func at(s *apiextensionsv1.JSONSchemaProps, path string) *apiextensionsv1.JSONSchemaProps {
	for _, step := range steps(path) {
		switch step {
		case "[]":
			s = s.Items.Schema
		case "{}":
			s = s.AdditionalProperties.Schema
		default:
			property := s.Properties[step]
			s = &property
		}
	}
	return s
}

// steps parts .spec.topics[].name into spec, topics, [] and name.
func steps(path string) []string {
	return slices.DeleteFunc(strings.Split(strings.NewReplacer("[]", ".[]", "{}", ".{}").Replace(path), "."), func(s string) bool { return s == "" })
}

// least is the smallest value that a schema allows, as far as it is made of what Kubernetes' own types need.
func least(s *apiextensionsv1.JSONSchemaProps) any {
	switch s.Type {
	case "object":
		value := map[string]any{}
		for _, name := range s.Required {
			property := s.Properties[name]
			value[name] = least(&property)
		}
		return value
	case "array":
		return []any{}
	case "integer":
		return 1
	case "boolean":
		return true
	default:
		return "x"
	}
}

// wrapped is a value with everything around it that its path needs, as fields of the object.
func wrapped(root *apiextensionsv1.JSONSchemaProps, path string, value any) map[string]any {
	all := steps(path)
	for i := len(all) - 1; i >= 0; i-- {
		switch all[i] {
		case "[]":
			value = []any{value}
		case "{}":
			value = map[string]any{"x": value}
		default:
			around, _ := least(at(root, strings.Join(all[:i], "."))).(map[string]any)
			around[all[i]] = value
			value = around
		}
	}
	return value.(map[string]any)
}

// located says whether a field of a refusal is at a path.
func located(path, field string) bool {
	pattern := regexp.QuoteMeta(strings.TrimPrefix(path, "."))
	pattern = strings.ReplaceAll(pattern, `\[\]`, `\[[^]]+\]`)
	pattern = strings.ReplaceAll(pattern, `\{\}`, `(\.[^.]+|\[[^]]+\])`)
	return regexp.MustCompile(fmt.Sprintf("^%s$", pattern)).MatchString(field)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
