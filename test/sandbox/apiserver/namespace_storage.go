package apiserver

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	storeerrors "k8s.io/apiserver/pkg/storage/errors"
	"k8s.io/apiserver/pkg/util/dryrun"
)

func namespaceRules() rules {
	return rules{
		name: labelName,
		prepare: func(obj, old runtime.Object) {
			ns := obj.(*corev1.Namespace)
			if ns.Labels == nil {
				ns.Labels = map[string]string{}
			}
			ns.Labels[corev1.LabelMetadataName] = ns.Name
			if old != nil {
				ns.Spec.Finalizers = old.(*corev1.Namespace).Spec.Finalizers
				return
			}
			ns.Status.Phase = corev1.NamespaceActive
			if !slices.Contains(ns.Spec.Finalizers, corev1.FinalizerKubernetes) {
				ns.Spec.Finalizers = append(ns.Spec.Finalizers, corev1.FinalizerKubernetes)
			}
		},
	}
}

// namespaceREST serves namespaces, whose deletion only begins with the request for it: the namespace goes when its
// spec has no finalizer any more.
type namespaceREST struct{ *resource }

func newNamespaceREST(r *resource) *namespaceREST {
	r.ShouldDeleteDuringUpdate = func(_ context.Context, _ string, obj, _ runtime.Object) bool {
		return len(obj.(*corev1.Namespace).Spec.Finalizers) == 0
	}
	return &namespaceREST{r}
}

// Delete implements rest.GracefulDeleter.
func (r *namespaceREST) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, o *metav1.DeleteOptions) (runtime.Object, bool, error) {
	obj, err := r.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, false, err
	}
	ns := obj.(*corev1.Namespace)
	if o == nil {
		o = metav1.NewDeleteOptions(0)
	}
	if o.Preconditions == nil {
		o.Preconditions = &metav1.Preconditions{}
	}
	if o.Preconditions.UID == nil {
		o.Preconditions.UID = &ns.UID
	}
	switch {
	case ns.DeletionTimestamp.IsZero():
		return r.terminate(ctx, name, validate, o)
	case len(ns.Spec.Finalizers) > 0:
		return ns, false, nil
	}
	return r.resource.Delete(ctx, name, validate, o)
}

// terminate marks a namespace as deleted.
func (r *namespaceREST) terminate(ctx context.Context, name string, validate rest.ValidateObjectFunc, o *metav1.DeleteOptions) (runtime.Object, bool, error) {
	key, err := r.KeyFunc(ctx, name)
	if err != nil {
		return nil, false, err
	}
	conditions := &storage.Preconditions{UID: o.Preconditions.UID, ResourceVersion: o.Preconditions.ResourceVersion}
	out := r.NewFunc()
	err = r.Storage.GuaranteedUpdate(ctx, key, out, false, conditions, storage.SimpleUpdate(func(existing runtime.Object) (runtime.Object, error) {
		if err := validate(ctx, existing); err != nil {
			return nil, err
		}
		ns := existing.(*corev1.Namespace)
		if ns.DeletionTimestamp.IsZero() {
			now := metav1.Now()
			ns.DeletionTimestamp = &now
		}
		ns.Status.Phase = corev1.NamespaceTerminating
		return ns, nil
	}), dryrun.IsDryRun(o.DryRun), nil)
	if err != nil {
		err = storeerrors.InterpretUpdateError(err, corev1.Resource("namespaces"), name)
		if _, ok := err.(apierrors.APIStatus); !ok {
			err = apierrors.NewInternalError(err)
		}
		return nil, false, err
	}
	return out, false, nil
}

// DeleteCollection implements rest.CollectionDeleter: no cluster deletes namespaces by the dozen.
func (r *namespaceREST) DeleteCollection(context.Context, rest.ValidateObjectFunc, *metav1.DeleteOptions, *internalversion.ListOptions) (runtime.Object, error) {
	return nil, apierrors.NewMethodNotSupported(corev1.Resource("namespaces"), "deletecollection")
}

// finalizeREST serves /finalize, which changes the finalizers of a namespace's spec and nothing else.
type finalizeREST struct{ store *genericregistry.Store }

func newFinalizeREST(r *resource) *finalizeREST {
	store := *r.Store
	store.UpdateStrategy = finalizeStrategy{r.UpdateStrategy.(strategy)}
	return &finalizeREST{store: &store}
}

func (r *finalizeREST) New() runtime.Object { return r.store.New() }
func (r *finalizeREST) Destroy()            {}

func (r *finalizeREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, onCreate rest.ValidateObjectFunc, onUpdate rest.ValidateObjectUpdateFunc, _ bool, o *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, info, onCreate, onUpdate, false, o)
}

type finalizeStrategy struct{ strategy }

func (s finalizeStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	obj.(*corev1.Namespace).Status = old.(*corev1.Namespace).Status
}

func (s finalizeStrategy) ValidateUpdate(_ context.Context, obj, _ runtime.Object) field.ErrorList {
	return s.schema.validate(obj)
}
