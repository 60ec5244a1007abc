package apiserver

import (
	"context"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// resource serves a built-in kind.
type resource struct {
	*genericregistry.Store
	kind kind
}

func (r *resource) ShortNames() []string { return r.kind.short }

func (r *resource) Categories() []string {
	if r.kind.inAll {
		return []string{"all"}
	}
	return nil
}

// newResource makes the storage of a kind.
func (r *registry) newResource(k kind, opts generic.RESTOptionsGetter) (*resource, error) {
	t, lt := reflect.TypeOf(k.obj).Elem(), reflect.TypeOf(k.list).Elem()
	validator, err := newSchemaValidator(k.gvk(r.scheme))
	if err != nil {
		return nil, err
	}
	s := strategy{ObjectTyper: r.scheme, NameGenerator: names.SimpleNameGenerator, kind: k, schema: validator}
	attrs := attributes(k)
	store := &genericregistry.Store{
		NewFunc:                   func() runtime.Object { return reflect.New(t).Interface().(runtime.Object) },
		NewListFunc:               func() runtime.Object { return reflect.New(lt).Interface().(runtime.Object) },
		DefaultQualifiedResource:  k.groupResource(),
		SingularQualifiedResource: k.gv.WithResource(k.singular).GroupResource(),
		CreateStrategy:            s,
		UpdateStrategy:            s,
		DeleteStrategy:            s,
		ResetFieldsStrategy:       s,
		TableConvertor:            k.table,
		EnableGarbageCollection:   true,
		PredicateFunc: func(l labels.Selector, f fields.Selector) storage.SelectionPredicate {
			return storage.SelectionPredicate{Label: l, Field: f, GetAttrs: attrs}
		},
	}
	if err := store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: opts, AttrFunc: attrs}); err != nil {
		return nil, fmt.Errorf("storage of %s: %w", k.resource, err)
	}
	return &resource{Store: store, kind: k}, nil
}

// attributes reads from an object what selectors can match.
func attributes(k kind) storage.AttrFunc {
	return func(obj runtime.Object) (labels.Set, fields.Set, error) {
		m, err := meta.Accessor(obj)
		if err != nil {
			return nil, nil, err
		}
		set := fields.Set{"metadata.name": m.GetName()}
		if !k.cluster {
			set["metadata.namespace"] = m.GetNamespace()
		}
		if k.fields != nil {
			for label, value := range k.fields(obj) {
				set[label] = value
			}
		}
		return m.GetLabels(), set, nil
	}
}

// install adds the kind's resource and those subresources that every kind of its sort has.
func (r *resource) install(into map[string]rest.Storage) {
	into[r.kind.resource] = r
	if r.kind.status {
		store := *r.Store
		s := statusStrategy{store.UpdateStrategy.(strategy)}
		store.UpdateStrategy, store.ResetFieldsStrategy = s, s
		into[r.kind.resource+"/status"] = &statusREST{store: &store}
	}
	if r.kind.scale {
		into[r.kind.resource+"/scale"] = &scaleREST{store: r.Store}
	}
}

// statusREST serves /status. It shares the storage of the main resource, which closes it.
type statusREST struct{ store *genericregistry.Store }

func (r *statusREST) New() runtime.Object { return r.store.New() }
func (r *statusREST) Destroy()            {}

func (r *statusREST) Get(ctx context.Context, name string, o *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, o)
}

func (r *statusREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, onCreate rest.ValidateObjectFunc, onUpdate rest.ValidateObjectUpdateFunc, _ bool, o *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, info, onCreate, onUpdate, false, o)
}

func (r *statusREST) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return r.store.GetResetFields()
}

func (r *statusREST) ConvertToTable(ctx context.Context, obj, o runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, obj, o)
}
