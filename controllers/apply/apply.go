// Package apply brings a stream's children to what was rendered, by server-side apply with one field owner. A child that is
// settled costs no call at all, and an object of somebody else is never touched.
package apply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
)

const (
	// FieldOwner owns every field that the operator applies, of children and of statuses.
	FieldOwner = client.FieldOwner("runnel-operator")

	// HashAnnotation of a child names what was applied to it last.
	HashAnnotation = "runnel.dev/applied-hash"

	// hashBytes is the length of that name before its hexadecimal form: no two desired states of one child meet by chance.
	hashBytes = 16
)

// Applier applies the children of streams. It keeps no state: what it has to know is in the objects, so that an operator
// which starts anew writes nothing either.
type Applier struct {
	// Client writes, and reads from a cache that holds the objects with the operator's label.
	Client client.Client
	// Direct reads metadata from the API server: what has not the operator's label is not in the cache.
	Direct client.Reader
}

// All brings the children of owner to their desired state in the given order, and deletes those that are no longer among them.
// It takes the children for itself: they are not to be used afterwards. It tells done of each write that has succeeded, also when a
// later one fails.
//
// A child whose hash annotation is the desired one, and whose cached object has every desired value, is left alone. One that nobody
// controls and that has the labels of the stream's children is adopted. All looks at every child before it writes any: if one
// has the name of somebody else's object, nothing is written and the error is a *ConflictError; if one is the leftover of a
// deleted stream of the same name, a *LeftoverError. It is ErrDeleted if there are orphans and the owner itself is about to go,
// which the cache may not show yet. A child that was made or replaced since it was looked at ends in the API
// server's own conflict.
func (a *Applier) All(ctx context.Context, owner *v1alpha1.EventStream, children []render.Child, done func(Change)) error {
	plans := make([]plan, 0, len(children))
	conflict, leftover := &ConflictError{}, &LeftoverError{}
	for _, child := range children {
		p, err := a.plan(ctx, owner, child)
		if err != nil {
			return fmt.Errorf("%s %s: %w", child.Kind.Kind, child.Name, err)
		}
		switch p.whose {
		case foreign:
			conflict.Objects = append(conflict.Objects, child.Kind.Kind+" "+child.Name)
		case leftOver:
			leftover.Objects = append(leftover.Objects, child.Kind.Kind+" "+child.Name)
		}
		plans = append(plans, p)
	}
	if len(conflict.Objects) > 0 {
		return conflict
	}
	if len(leftover.Objects) > 0 {
		return leftover
	}
	if slices.ContainsFunc(plans, func(p plan) bool { return p.whose == orphaned }) {
		if err := a.mayAdopt(ctx, owner); err != nil {
			return err
		}
	}
	for _, p := range plans {
		if p.settled {
			continue
		}
		if err := a.write(ctx, p); err != nil {
			return fmt.Errorf("%s %s: %w", p.child.Kind.Kind, p.child.Name, err)
		}
		done(p.change())
	}
	return a.prune(ctx, owner, children, done)
}

// plan is what is to be done about one child.
type plan struct {
	child render.Child
	// hash names the desired state.
	hash string
	// uid of the object that is there; empty if none is.
	uid types.UID
	// whose object has the child's name; nobodys if there is none.
	whose whose
	// settled: the object is as desired already.
	settled bool
	// drift is the path of a field that somebody else has changed since it was applied; empty if nobody has.
	drift string
	// replaced: its lists were replaced as a whole, and a manager of that still owns fields of it.
	replaced bool
}

// plan looks at what is there.
func (a *Applier) plan(ctx context.Context, owner *v1alpha1.EventStream, child render.Child) (plan, error) {
	child.Meta.WithOwnerReferences(metav1ac.OwnerReference().
		WithAPIVersion(v1alpha1.GroupVersion.String()).
		WithKind("EventStream").
		WithName(owner.Name).
		WithUID(owner.UID).
		WithController(true).
		// Nothing waits for a child when a stream is deleted in the foreground; without it, the operator needs no right on
		// finalizers of the stream.
		WithBlockOwnerDeletion(false))
	document, err := json.Marshal(child.Object)
	if err != nil {
		return plan{}, err
	}
	sum := sha256.Sum256(document)
	p := plan{child: child, hash: hex.EncodeToString(sum[:hashBytes])}

	live, err := a.live(ctx, owner.Namespace, child)
	if err != nil || live == nil {
		return p, err
	}
	p.uid = live.GetUID()
	p.whose = whoseIs(live, owner)
	applied := live.GetAnnotations()[HashAnnotation]
	p.replaced = applied == replacedMark
	if p.whose != ours || applied != p.hash {
		return p, nil
	}
	if _, metadataOnly := live.(*metav1.PartialObjectMetadata); metadataOnly {
		if live.GetLabels()[render.LabelManagedBy] != render.ManagedBy {
			p.drift = ".metadata.labels." + render.LabelManagedBy
		} // else the cache does not show it yet
		return p, nil
	}
	drift, found, err := missing(live, document)
	p.settled, p.drift = err == nil && !found, drift
	return p, err
}

// live returns the object that has the child's name: the cached one, else its metadata, else nil.
func (a *Applier) live(ctx context.Context, namespace string, child render.Child) (client.Object, error) {
	cached, err := a.object(child.Kind)
	if err != nil {
		return nil, err
	}
	key := client.ObjectKey{Namespace: namespace, Name: child.Name}
	err = a.Client.Get(ctx, key, cached)
	if err == nil {
		return cached, nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, err
	}
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(child.Kind)
	err = a.Direct.Get(ctx, key, meta)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return meta, err
}

// object returns an empty object of a kind in its Go type.
func (a *Applier) object(kind schema.GroupVersionKind) (client.Object, error) {
	made, err := a.Client.Scheme().New(kind)
	if err != nil {
		return nil, err
	}
	object, ok := made.(client.Object)
	if !ok {
		return nil, fmt.Errorf("%T has no metadata", made)
	}
	return object, nil
}

// missing returns the path of a value of the document, an object's desired state in JSON, that is not in the live object.
func missing(live client.Object, document []byte) (path string, found bool, err error) {
	desired := map[string]any{}
	// This Unmarshal makes whole numbers int64, as the converter below does.
	if err := json.Unmarshal(document, &desired); err != nil {
		return "", false, err
	}
	// The cache leaves them empty, and they are known by the kind that was asked for.
	delete(desired, "apiVersion")
	delete(desired, "kind")
	actual, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		return "", false, err
	}
	path, found = difference(actual, desired)
	return path, found, nil
}
