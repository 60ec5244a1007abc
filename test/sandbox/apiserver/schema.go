package apiserver

import (
	"fmt"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/runnel-dev/runnel/test/sandbox/apiserver/openapi"
)

// schemas resolves the published schemas, decoded once a process since that takes longer than all else at start.
var schemas = sync.OnceValue(func() *resolver.DefinitionsSchemaResolver {
	return resolver.NewDefinitionsSchemaResolver(openapi.Definitions, clientscheme.Scheme)
})

// schemaValidator holds a kind's objects against its published schema: required fields, types, enumerations.
type schemaValidator struct{ validator validation.SchemaValidator }

func newSchemaValidator(gvk schema.GroupVersionKind) (*schemaValidator, error) {
	s, err := schemas().ResolveSchema(gvk)
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", gvk, err)
	}
	loosen(s)
	return &schemaValidator{validation.NewSchemaValidatorFromOpenAPI(s)}, nil
}

func (v *schemaValidator) validate(obj runtime.Object) field.ErrorList {
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	dropNulls(m)
	return validation.ValidateCustomResource(nil, m, v.validator)
}

// loosen takes back what the schema says wrongly of a validated object: int-or-string is published as a string.
func loosen(s *spec.Schema) {
	if s == nil {
		return
	}
	if s.Format == "int-or-string" || len(s.OneOf) > 0 {
		s.Type, s.Format, s.OneOf = nil, "", nil
	}
	for name, p := range s.Properties {
		loosen(&p)
		s.Properties[name] = p
	}
	if s.Items != nil {
		loosen(s.Items.Schema)
	}
	if s.AdditionalProperties != nil {
		loosen(s.AdditionalProperties.Schema)
	}
	for i := range s.AllOf {
		loosen(&s.AllOf[i])
	}
}

// dropNulls removes the nulls that Go types without omitempty leave in JSON: to a client they are absent fields.
func dropNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			if e == nil {
				delete(v, key)
			} else {
				dropNulls(e)
			}
		}
	case []any:
		for _, e := range v {
			dropNulls(e)
		}
	}
}
