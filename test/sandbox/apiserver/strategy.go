package apiserver

import (
	"context"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// strategy is the generic store's view of a built-in kind's main resource.
type strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
	kind   kind
	schema *schemaValidator
}

func (s strategy) NamespaceScoped() bool                    { return !s.kind.cluster }
func (s strategy) AllowCreateOnUpdate(context.Context) bool { return s.kind.rules.createOnUpdate }
func (s strategy) Canonicalize(runtime.Object)              {}

func (s strategy) AllowUnconditionalUpdate(context.Context) bool { return !s.kind.rules.versioned }

func (s strategy) WarningsOnCreate(context.Context, runtime.Object) []string { return nil }
func (s strategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

// DefaultGarbageCollectionPolicy implements rest.GarbageCollectionDeleteStrategy.
func (s strategy) DefaultGarbageCollectionPolicy(context.Context) rest.GarbageCollectionPolicy {
	return rest.DeleteDependents
}

// PrepareForCreate empties what a client does not decide.
func (s strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	if m, err := meta.Accessor(obj); err == nil {
		m.SetGeneration(0)
		if s.kind.generation {
			m.SetGeneration(1)
		}
	}
	if s.kind.status {
		fieldOf(obj, "Status").SetZero()
	}
	if s.kind.rules.prepare != nil {
		s.kind.rules.prepare(obj, nil)
	}
}

// PrepareForUpdate keeps the status, and counts a generation when anything else than metadata and status changed.
func (s strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	if s.kind.status {
		fieldOf(obj, "Status").Set(fieldOf(old, "Status"))
	}
	if s.kind.rules.prepare != nil {
		s.kind.rules.prepare(obj, old)
	}
	if s.kind.generation && !sameDesired(obj, old) {
		if m, err := meta.Accessor(obj); err == nil {
			m.SetGeneration(m.GetGeneration() + 1) // the generic store has set the old one
		}
	}
}

func (s strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return s.validate(obj)
}

func (s strategy) validate(obj runtime.Object) field.ErrorList {
	errs := s.schema.validate(obj)
	if m, err := meta.Accessor(obj); err == nil && s.kind.rules.name != nil {
		for _, msg := range s.kind.rules.name(m.GetName(), false) {
			errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), m.GetName(), msg))
		}
	}
	if len(errs) == 0 && s.kind.rules.check != nil {
		errs = append(errs, s.kind.rules.check(obj)...)
	}
	return errs
}

func (s strategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	errs := s.validate(obj)
	if s.kind.rules.change != nil {
		errs = append(errs, s.kind.rules.change(obj, old)...)
	}
	return errs
}

// CheckGracefulDelete implements rest.RESTGracefulDeleteStrategy: a pod on a node goes only when its node deletes it
// with a grace period of 0, and everything else at once.
func (s strategy) CheckGracefulDelete(_ context.Context, obj runtime.Object, o *metav1.DeleteOptions) bool {
	p, ok := obj.(*corev1.Pod)
	if !ok || o == nil {
		return false
	}
	period := int64(corev1.DefaultTerminationGracePeriodSeconds)
	switch {
	case o.GracePeriodSeconds != nil:
		period = *o.GracePeriodSeconds
	case p.Spec.TerminationGracePeriodSeconds != nil:
		period = *p.Spec.TerminationGracePeriodSeconds
	}
	if period < 0 {
		period = 1
	}
	if p.Spec.NodeName == "" || p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
		period = 0
	}
	o.GracePeriodSeconds = &period
	return true
}

// GetResetFields tells server-side apply that the main resource does not own the status.
func (s strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	if !s.kind.status {
		return nil
	}
	return map[fieldpath.APIVersion]*fieldpath.Set{
		fieldpath.APIVersion(s.kind.gv.String()): fieldpath.NewSet(fieldpath.MakePathOrDie("status")),
	}
}

// statusStrategy is the store's view of /status. As in kube-apiserver it resets what is neither status nor metadata, so
// that labels, annotations and finalizers can be changed through it, save what keepThroughStatus names.
type statusStrategy struct{ strategy }

func (s statusStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	n, o := reflect.ValueOf(obj).Elem(), reflect.ValueOf(old.DeepCopyObject()).Elem()
	for i := range n.NumField() {
		switch n.Type().Field(i).Name {
		case "TypeMeta", "ObjectMeta", "Status":
		default:
			n.Field(i).Set(o.Field(i))
		}
	}
	if s.kind.rules.keepThroughStatus != nil {
		s.kind.rules.keepThroughStatus(obj, old)
	}
}

func (s statusStrategy) ValidateUpdate(_ context.Context, obj, _ runtime.Object) field.ErrorList {
	return s.schema.validate(obj)
}

func (s statusStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	set := fieldpath.NewSet(fieldpath.MakePathOrDie("spec"))
	for _, path := range s.kind.rules.keptPaths {
		set.Insert(path)
	}
	return map[fieldpath.APIVersion]*fieldpath.Set{fieldpath.APIVersion(s.kind.gv.String()): set}
}

// sameDesired says whether two objects differ in nothing but metadata and status.
func sameDesired(a, b runtime.Object) bool {
	n, o := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range n.NumField() {
		switch n.Type().Field(i).Name {
		case "TypeMeta", "ObjectMeta", "Status":
			continue
		}
		if !apiequality.Semantic.DeepEqual(n.Field(i).Interface(), o.Field(i).Interface()) {
			return false
		}
	}
	return true
}

func fieldOf(obj runtime.Object, name string) reflect.Value {
	return reflect.ValueOf(obj).Elem().FieldByName(name)
}
