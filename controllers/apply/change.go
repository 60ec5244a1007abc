package apply

import "reflect"

// How a child was changed.
type How string

const (
	// Created: there was no object of that name.
	Created How = "created"
	// Adopted: it was there, and nobody controlled it.
	Adopted How = "adopted"
	// Changed: the desired state is another one.
	Changed How = "changed"
	// Repaired: somebody else had changed it.
	Repaired How = "repaired"
	// Deleted: it is no longer wanted.
	Deleted How = "deleted"
)

// Hows returns all of them.
func Hows() []How { return []How{Created, Adopted, Changed, Repaired, Deleted} }

// KindNames returns the names of Kinds.
func KindNames() (all []string) {
	for _, kind := range Kinds() {
		all = append(all, reflect.TypeOf(kind).Elem().Name())
	}
	return all
}

// Change is what All has done to one child.
type Change struct {
	// Kind and Name of the child.
	Kind, Name string
	How        How
	// Field is the path of one field that somebody else had changed, such as .spec.replicas; empty for another How.
	Field string
}

// change is what writing the planned child does.
func (p plan) change() Change {
	c := Change{Kind: p.child.Kind.Kind, Name: p.child.Name, How: Changed, Field: p.drift}
	switch {
	case p.whose == nobodys:
		c.How = Created
	case p.whose == orphaned:
		c.How = Adopted
	case p.drift != "":
		c.How = Repaired
	}
	return c
}
