package apply

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
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

// whose object it is.
type whose int

const (
	nobodys whose = iota
	ours
	foreign
	leftOver
)

// whoseIs goes by the controller's UID: names come again, labels are everybody's.
func whoseIs(live metav1.Object, owner *v1alpha1.EventStream) whose {
	ref := metav1.GetControllerOfNoCopy(live)
	switch {
	case ref == nil:
		return foreign
	case ref.UID == owner.UID:
		return ours
	case ref.Kind == "EventStream" && ref.Name == owner.Name && strings.HasPrefix(ref.APIVersion, v1alpha1.GroupVersion.Group+"/"):
		return leftOver
	default:
		return foreign
	}
}
