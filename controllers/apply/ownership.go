package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
)

// ConflictError says that objects which are not the stream's have the names of its children. It ends when somebody removes
// them or the stream.
type ConflictError struct {
	// Objects as kind and name, at least one.
	Objects []string
}

// Error names the objects and what to do.
func (e *ConflictError) Error() string {
	return strings.Join(e.Objects, ", ") + " exists and is not this stream's: delete it, or give the stream another name"
}

// LeftoverError says that children of a deleted stream of the same name are still there. It ends by itself when they
// have been collected.
type LeftoverError struct {
	// Objects as kind and name, at least one.
	Objects []string
}

// Error names the objects.
func (e *LeftoverError) Error() string {
	return "waiting until " + strings.Join(e.Objects, ", ") + " of the deleted stream of the same name is gone"
}

// ErrDeleted says that the stream was deleted, or is being deleted.
var ErrDeleted = errors.New("the stream is deleted")

// mayAdopt asks the API server whether the owner is to stay. Who deletes a stream and wants to keep its children takes them their
// controller; if the operator gave it back, the children would go with the stream.
func (a *Applier) mayAdopt(ctx context.Context, owner *v1alpha1.EventStream) error {
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("EventStream"))
	err := a.Direct.Get(ctx, client.ObjectKeyFromObject(owner), live)
	switch {
	case apierrors.IsNotFound(err):
		return ErrDeleted
	case err != nil:
		return fmt.Errorf("owner of the children: %w", err)
	case live.UID != owner.UID, live.DeletionTimestamp != nil:
		return ErrDeleted
	}
	return nil
}

// whose object it is.
type whose int

const (
	nobodys whose = iota
	ours
	// orphaned is a child that nobody controls and that is to be adopted.
	orphaned
	foreign
	leftOver
)

// whoseIs goes by the controller's UID, since names come again and everybody can set labels. Only an object without a controller
// is known by its labels: after kubectl delete --cascade=orphan, and after a backup was restored, children have nothing else.
func whoseIs(live metav1.Object, owner *v1alpha1.EventStream) whose {
	ref := metav1.GetControllerOfNoCopy(live)
	switch {
	case ref == nil && !render.IsChild(live, owner.Name):
		return foreign
	case ref == nil && live.GetDeletionTimestamp() != nil:
		return leftOver // adoption would not keep it
	case ref == nil:
		return orphaned
	case ref.UID == owner.UID:
		return ours
	case ref.Kind == "EventStream" && ref.Name == owner.Name && strings.HasPrefix(ref.APIVersion, v1alpha1.GroupVersion.Group+"/"):
		return leftOver
	default:
		return foreign
	}
}

// Has reports whether the object is a child of owner, or will be once All has adopted it.
func Has(owner *v1alpha1.EventStream, object metav1.Object) bool {
	whose := whoseIs(object, owner)
	return whose == ours || whose == orphaned
}
