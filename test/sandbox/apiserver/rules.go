package apiserver

import (
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// rules are what a kind adds to the common strategy. Every field may be empty.
type rules struct {
	// name says what is wrong with an object's name.
	name apivalidation.ValidateNameFunc
	// prepare changes an object before validation; old is nil on creation.
	prepare func(obj, old runtime.Object)
	// check looks at one object that its schema accepts.
	check func(obj runtime.Object) field.ErrorList
	// change looks at what an update changes.
	change func(obj, old runtime.Object) field.ErrorList
	// keepThroughStatus undoes changes of metadata that /status does not let through, and keptPaths names them.
	keepThroughStatus func(obj, old runtime.Object)
	keptPaths         []fieldpath.Path
	// createOnUpdate lets PUT create an object.
	createOnUpdate bool
	// versioned refuses an update that does not say which version it changes.
	versioned bool
}

// subdomainName and labelName are the two forms of most names.
func subdomainName(name string, prefix bool) []string {
	return apivalidation.NameIsDNSSubdomain(name, prefix)
}
func labelName(name string, prefix bool) []string { return apivalidation.NameIsDNSLabel(name, prefix) }

func named(name apivalidation.ValidateNameFunc) rules { return rules{name: name} }

// checked and changed adapt a check of one type.
func checked[T runtime.Object](f func(T) field.ErrorList) func(runtime.Object) field.ErrorList {
	return func(obj runtime.Object) field.ErrorList { return f(obj.(T)) }
}

func changed[T runtime.Object](f func(obj, old T) field.ErrorList) func(obj, old runtime.Object) field.ErrorList {
	return func(obj, old runtime.Object) field.ErrorList { return f(obj.(T), old.(T)) }
}
