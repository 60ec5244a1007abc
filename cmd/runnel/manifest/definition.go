package manifest

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/api/operation"
	metavalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

// definition is one version of a CustomResourceDefinition in the forms that the API server's libraries check by.
type definition struct {
	structural *schema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

func newDefinition(text []byte) (*definition, error) {
	props, err := versionSchema(text)
	if err != nil {
		return nil, err
	}
	structural, err := schema.NewStructural(props)
	if err != nil {
		return nil, err
	}
	if err := defaulting.PruneDefaults(structural); err != nil {
		return nil, err
	}
	schemaValidator, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		return nil, err
	}
	return &definition{
		structural: structural,
		schema:     schemaValidator,
		rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}

// versionSchema finds the schema of our API version, in the internal form that the libraries take.
func versionSchema(text []byte) (*apiextensions.JSONSchemaProps, error) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(text, crd); err != nil {
		return nil, err
	}
	for _, v := range crd.Spec.Versions {
		if v.Name != v1alpha1.GroupVersion.Version || v.Schema == nil {
			continue
		}
		internal := &apiextensions.CustomResourceValidation{}
		if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(v.Schema, internal, nil); err != nil {
			return nil, err
		}
		return internal.OpenAPIV3Schema, nil
	}
	return nil, fmt.Errorf("it has no schema of version %s", v1alpha1.GroupVersion.Version)
}

// coerce sets defaults and takes out what an object cannot have: null values, and the status, which only a controller
// writes. Unknown and doubled fields are an error, as they are for kubectl.
func (d *definition) coerce(o object) error {
	defaulting.Default(o.Object, d.structural)
	meta, _, unknown, err := objectmeta.GetObjectMetaWithOptions(o.Object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		return fmt.Errorf("%s: metadata cannot be read: %w", refusal(), explainMetadata(o.Object["metadata"], err))
	}
	unknown = append(unknown, pruning.PruneWithOptions(o.Object, d.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})...)
	defaulting.PruneNonNullableNullsWithoutDefaults(o.Object, d.structural)
	if err := strict(o.strict, unknown, d.structural); err != nil {
		return err
	}
	delete(o.Object, "status")
	return objectmeta.SetObjectMeta(o.Object, meta)
}

// explainMetadata says what is wrong with metadata that cannot be read, as explainJSON does.
func explainMetadata(metadata any, otherwise error) error {
	text, err := json.Marshal(metadata)
	if err != nil {
		return otherwise
	}
	return explainJSON(text, &metav1.ObjectMeta{}, otherwise)
}

// validate finds all that is wrong with an object that is to be created.
func (d *definition) validate(u *unstructured.Unstructured) field.ErrorList {
	ctx := context.Background() // nothing here waits; the libraries want one for warnings
	meta, _, err := objectmeta.GetObjectMeta(u.Object, false)
	if err != nil {
		return field.ErrorList{field.Invalid(field.NewPath("metadata"), u.Object["metadata"], err.Error())}
	}
	if meta == nil {
		meta = &metav1.ObjectMeta{}
	}
	const declarative = true // the API server's feature gate DeclarativeValidationBeta, on by default
	errs := metavalidation.ValidateObjectMetaDeclaratively(ctx, operation.Create, meta, nil, true,
		metavalidation.NameIsDNSSubdomain, field.NewPath("metadata"), declarative)
	errs = append(errs, validation.ValidateCustomResource(nil, u.Object, d.schema)...)
	errs = append(errs, objectmeta.Validate(ctx, nil, u.Object, d.structural, false)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, d.structural, u.Object)...)
	if blocksRules(errs) {
		return append(errs, field.Invalid(nil, nil, "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"))
	}
	ruleErrs, _ := d.rules.Validate(ctx, nil, d.structural, u.Object, nil, celconfig.RuntimeCELCostBudget)
	return append(errs, ruleErrs...)
}

// blocksRules says whether CEL could fail on the object for want of a sound shape.
func blocksRules(errs field.ErrorList) bool {
	for _, e := range errs {
		switch e.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
			return true
		}
	}
	return false
}
