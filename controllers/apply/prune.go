package apply

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
)

// strayIndex finds what a stream has beyond its children, without reading the objects of all others.
const strayIndex = "runnel.dev/stray-of"

// Kinds returns one empty object of each kind that children can have: what is cached, watched, indexed and pruned.
func Kinds() []client.Object {
	return []client.Object{&corev1.ServiceAccount{}, &corev1.ConfigMap{}, &corev1.Service{}, &appsv1.Deployment{}}
}

// lists returns a list for each of Kinds.
func lists() []client.ObjectList {
	return []client.ObjectList{&corev1.ServiceAccountList{}, &corev1.ConfigMapList{}, &corev1.ServiceList{}, &appsv1.DeploymentList{}}
}

// Index adds the index that All needs to a cache, before it is started.
func Index(ctx context.Context, indexer client.FieldIndexer) error {
	for _, kind := range Kinds() {
		if err := indexer.IndexField(ctx, kind, strayIndex, StrayOf); err != nil {
			return fmt.Errorf("index of %T: %w", kind, err)
		}
	}
	return nil
}

// StrayOf is the function behind Index: the UID of an object's controller, or nothing if every stream has a child of that kind and
// name. So the index is empty but for what an operator of another version left, which saves 3 KB for a stream.
func StrayOf(o client.Object) []string {
	ref := metav1.GetControllerOfNoCopy(o)
	if ref == nil || slices.Contains(render.Names(o, ref.Name), o.GetName()) {
		return nil
	}
	return []string{string(ref.UID)}
}

// prune deletes what owner has beyond its children. It sees only what the cache holds, so an object that lost the operator's
// label stays until the stream goes.
func (a *Applier) prune(ctx context.Context, owner *v1alpha1.EventStream, wanted []render.Child, done func(Change)) error {
	keep := map[string]bool{}
	for _, child := range wanted {
		keep[child.Kind.Kind+"/"+child.Name] = true
	}
	for _, list := range lists() {
		err := a.Client.List(ctx, list, client.InNamespace(owner.Namespace), client.MatchingFields{strayIndex: string(owner.UID)},
			// What was just written is wanted, and what was just deleted is not there to be deleted again: nothing to wait for.
			client.DisableReadYourWritesConsistency)
		if err != nil {
			return fmt.Errorf("children that are there: %w", err)
		}
		err = meta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object)
			kind, err := apiutil.GVKForObject(object, a.Client.Scheme())
			if err != nil || keep[kind.Kind+"/"+object.GetName()] || object.GetDeletionTimestamp() != nil {
				return err
			}
			if err := a.delete(ctx, object); err != nil {
				return err
			}
			done(Change{Kind: kind.Kind, Name: object.GetName(), How: Deleted})
			return nil
		})
		if err != nil {
			return fmt.Errorf("child that is no longer wanted: %w", err)
		}
	}
	return nil
}

// delete removes exactly the object that was seen, and what belongs to it after it.
func (a *Applier) delete(ctx context.Context, object client.Object) error {
	uid := object.GetUID()
	return client.IgnoreNotFound(a.Client.Delete(ctx, object,
		client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground)))
}
