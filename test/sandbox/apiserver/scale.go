package apiserver

import (
	"context"
	"reflect"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
)

// scaleREST serves /scale of the apps kinds.
type scaleREST struct{ store *genericregistry.Store }

func (r *scaleREST) New() runtime.Object { return &autoscalingv1.Scale{} }
func (r *scaleREST) Destroy()            {}

func (r *scaleREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return autoscalingv1.SchemeGroupVersion.WithKind("Scale")
}

func (r *scaleREST) Get(ctx context.Context, name string, o *metav1.GetOptions) (runtime.Object, error) {
	obj, err := r.store.Get(ctx, name, o)
	if err != nil {
		return nil, err
	}
	return scaleOf(obj)
}

func (r *scaleREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, onCreate rest.ValidateObjectFunc, onUpdate rest.ValidateObjectUpdateFunc, _ bool, o *metav1.UpdateOptions) (runtime.Object, bool, error) {
	obj, _, err := r.store.Update(ctx, name, rest.DefaultUpdatedObjectInfo(nil, func(ctx context.Context, _, old runtime.Object) (runtime.Object, error) {
		return scaled(ctx, old, info)
	}), toScaleCreate(onCreate), toScaleUpdate(onUpdate), false, o)
	if err != nil {
		return nil, false, err
	}
	s, err := scaleOf(obj)
	return s, false, err
}

func (r *scaleREST) ConvertToTable(ctx context.Context, obj, o runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, obj, o)
}

// scaled is a copy of an object with the replicas that the request's Scale asks for.
func scaled(ctx context.Context, old runtime.Object, info rest.UpdatedObjectInfo) (runtime.Object, error) {
	was, err := scaleOf(old)
	if err != nil {
		return nil, err
	}
	updated, err := info.UpdatedObject(ctx, was)
	if err != nil {
		return nil, err
	}
	scale, ok := updated.(*autoscalingv1.Scale)
	if !ok {
		return nil, apierrors.NewBadRequest("send a Scale of autoscaling/v1")
	}
	if scale.Spec.Replicas < 0 {
		return nil, apierrors.NewInvalid(autoscalingv1.SchemeGroupVersion.WithKind("Scale").GroupKind(), scale.Name, field.ErrorList{
			field.Invalid(field.NewPath("spec", "replicas"), scale.Spec.Replicas, "must be 0 or more"),
		})
	}
	obj := old.DeepCopyObject() // the generic store reads the old object again after this
	if m, err := meta.Accessor(obj); err == nil && scale.ResourceVersion != "" {
		m.SetResourceVersion(scale.ResourceVersion) // so that a stale Scale conflicts
	}
	fieldOf(obj, "Spec").FieldByName("Replicas").Set(reflect.ValueOf(&scale.Spec.Replicas))
	return obj, nil
}

// scaleOf reads the Scale of a kind of the apps group.
func scaleOf(obj runtime.Object) (*autoscalingv1.Scale, error) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	s := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{
		Name: m.GetName(), Namespace: m.GetNamespace(), UID: m.GetUID(),
		ResourceVersion: m.GetResourceVersion(), CreationTimestamp: m.GetCreationTimestamp(),
	}}
	spec := fieldOf(obj, "Spec")
	if n, ok := spec.FieldByName("Replicas").Interface().(*int32); ok && n != nil {
		s.Spec.Replicas = *n
	}
	s.Status.Replicas = int32(fieldOf(obj, "Status").FieldByName("Replicas").Int())
	if sel, ok := spec.FieldByName("Selector").Interface().(*metav1.LabelSelector); ok {
		parsed, err := metav1.LabelSelectorAsSelector(sel)
		if err != nil {
			return nil, err
		}
		s.Status.Selector = parsed.String()
	}
	return s, nil
}

// toScaleCreate and toScaleUpdate show admission the Scale, which is what was requested, and not the object behind it.
func toScaleCreate(f rest.ValidateObjectFunc) rest.ValidateObjectFunc {
	return func(ctx context.Context, obj runtime.Object) error {
		s, err := scaleOf(obj)
		if err != nil {
			return err
		}
		return f(ctx, s)
	}
}

func toScaleUpdate(f rest.ValidateObjectUpdateFunc) rest.ValidateObjectUpdateFunc {
	return func(ctx context.Context, obj, old runtime.Object) error {
		s, err := scaleOf(obj)
		if err != nil {
			return err
		}
		was, err := scaleOf(old)
		if err != nil {
			return err
		}
		return f(ctx, s, was)
	}
}
