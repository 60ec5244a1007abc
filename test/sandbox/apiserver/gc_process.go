package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// process does for one object what is due.
func (g *collector) process(ctx context.Context, uid types.UID) error {
	o, dependents, ok := g.find(uid)
	switch {
	case !ok:
		return nil
	case o.meta.DeletionTimestamp != nil && has(o.meta, metav1.FinalizerOrphanDependents):
		return g.orphan(ctx, o)
	case o.meta.DeletionTimestamp != nil && has(o.meta, metav1.FinalizerDeleteDependents):
		return g.deleteForeground(ctx, o, dependents)
	case o.meta.DeletionTimestamp != nil || g.kept(o):
		return nil
	}
	return g.collect(ctx, o, len(dependents) > 0)
}

// orphan takes the dependents of a deleted object their reference to it, and lets it go. It asks the server for them: one
// that was made a moment ago, and that no watch has shown yet, would be deleted as soon as its owner is gone.
func (g *collector) orphan(ctx context.Context, o object) error {
	dependents, err := g.listDependents(ctx, o)
	if err != nil {
		return err
	}
	for _, d := range dependents {
		if err := g.dropOwners(ctx, d, func(r metav1.OwnerReference) bool { return r.UID == o.meta.UID }); err != nil {
			return err
		}
	}
	return g.removeFinalizer(ctx, o, metav1.FinalizerOrphanDependents)
}

func (g *collector) listDependents(ctx context.Context, o object) ([]object, error) {
	var out []object
	for _, r := range g.catalogue.all() {
		if !r.namespaced && o.namespaced {
			continue // it cannot be owned by o
		}
		in := g.client.Resource(r.resource).Namespace(o.meta.Namespace)
		list, err := in.List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			continue // its definition went meanwhile
		}
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			m := &list.Items[i]
			if slices.ContainsFunc(m.OwnerReferences, func(ref metav1.OwnerReference) bool { return ref.UID == o.meta.UID }) {
				out = append(out, object{r, m})
			}
		}
	}
	return out, nil
}

// deleteForeground lets a deleted object go once no dependent blocks it, and else sees to its dependents.
func (g *collector) deleteForeground(ctx context.Context, o object, dependents []object) error {
	for _, d := range dependents {
		if d.meta.DeletionTimestamp == nil {
			g.work.queue.Add(d.meta.UID)
		}
	}
	if slices.ContainsFunc(dependents, func(d object) bool { return blocks(d, o) }) {
		return nil // its end brings the owner back
	}
	// Before the last word the server is asked, since a dependent may be too new for the watches; it is queued once seen.
	dependents, err := g.listDependents(ctx, o)
	if err != nil || slices.ContainsFunc(dependents, func(d object) bool { return blocks(d, o) }) {
		return err
	}
	return g.removeFinalizer(ctx, o, metav1.FinalizerDeleteDependents)
}

// blocks says whether the owner's foreground deletion has to wait for the dependent.
func blocks(dependent, owner object) bool {
	return slices.ContainsFunc(dependent.meta.OwnerReferences, func(r metav1.OwnerReference) bool {
		return r.UID == owner.meta.UID && r.BlockOwnerDeletion != nil && *r.BlockOwnerDeletion
	})
}

// collect deletes an object that no owner keeps. It reads the object anew: the owners that a watch showed may have been taken
// from it since.
func (g *collector) collect(ctx context.Context, o object, hasDependents bool) error {
	latest, err := g.client.Resource(o.resource).Namespace(o.meta.Namespace).Get(ctx, o.meta.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && (latest.UID != o.meta.UID || latest.DeletionTimestamp != nil || len(latest.OwnerReferences) == 0) {
		return nil
	}
	if err != nil {
		return err
	}
	o.meta = latest
	var keep, waiting int
	lost := map[types.UID]bool{}
	for _, r := range o.meta.OwnerReferences {
		owner, err := g.owner(ctx, o, r)
		switch {
		case err != nil:
			return err
		case owner == nil:
			lost[r.UID] = true
		case owner.DeletionTimestamp != nil && has(owner, metav1.FinalizerDeleteDependents):
			lost[r.UID] = true
			waiting++
		default:
			keep++
		}
	}
	switch {
	case keep > 0 && len(lost) > 0:
		return g.dropOwners(ctx, o, func(r metav1.OwnerReference) bool { return lost[r.UID] })
	case keep > 0:
		return nil
	case waiting > 0 && hasDependents:
		return g.delete(ctx, o, metav1.DeletePropagationForeground)
	}
	return g.delete(ctx, o, metav1.DeletePropagationBackground)
}

// owner reads the owner that a reference names, nil if it is gone.
func (g *collector) owner(ctx context.Context, o object, ref metav1.OwnerReference) (*metav1.PartialObjectMetadata, error) {
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return nil, err
	}
	r, ok := g.catalogue.find(gv.WithKind(ref.Kind).GroupKind())
	if !ok {
		return nil, fmt.Errorf("no resource serves the owner's kind %s %s", ref.APIVersion, ref.Kind)
	}
	namespace := o.meta.Namespace
	if !r.namespaced {
		namespace = ""
	} else if namespace == "" {
		return nil, fmt.Errorf("%s %s is cluster-scoped and cannot be owned by a %s of a namespace", o.kind, o.meta.Name, ref.Kind)
	}
	m, err := g.client.Resource(r.resource).Namespace(namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && m.UID != ref.UID {
		return nil, nil
	}
	return m, err
}

// delete deletes the very object that was read, and fails when it has changed since.
func (g *collector) delete(ctx context.Context, o object, p metav1.DeletionPropagation) error {
	err := g.client.Resource(o.resource).Namespace(o.meta.Namespace).Delete(ctx, o.meta.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &o.meta.UID, ResourceVersion: &o.meta.ResourceVersion}, PropagationPolicy: &p,
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (g *collector) dropOwners(ctx context.Context, o object, drop func(metav1.OwnerReference) bool) error {
	return g.patch(ctx, o, map[string]any{"ownerReferences": slices.DeleteFunc(slices.Clone(o.meta.OwnerReferences), drop)})
}

func (g *collector) removeFinalizer(ctx context.Context, o object, finalizer string) error {
	rest := slices.DeleteFunc(slices.Clone(o.meta.Finalizers), func(f string) bool { return f == finalizer })
	return g.patch(ctx, o, map[string]any{"finalizers": rest})
}

// patch changes the metadata of an object that nobody has changed since it was seen. After a conflict the newer object
// is seen soon, and processed again.
func (g *collector) patch(ctx context.Context, o object, metadata map[string]any) error {
	metadata["resourceVersion"], metadata["uid"] = o.meta.ResourceVersion, o.meta.UID
	body, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return err
	}
	_, err = g.client.Resource(o.resource).Namespace(o.meta.Namespace).Patch(ctx, o.meta.Name, types.MergePatchType, body, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
