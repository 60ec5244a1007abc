// Package v1alpha1 holds the EventStream resource of group runnel.dev: its types, the rules that the API server enforces on
// them (schema and CEL, no webhook), and the conditions and reasons of its status.
//
// Fields that a stream leaves unset have no default in the schema: they are resolved by render.Resolve, so that the
// stored object says only what its author wrote.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package="applyconfiguration"
// +groupName=runnel.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of every type in this package.
var GroupVersion = schema.GroupVersion{Group: "runnel.dev", Version: "v1alpha1"}

// SchemeGroupVersion is GroupVersion under the name that generated apply configurations use.
var SchemeGroupVersion = GroupVersion

// AddToScheme registers the types of this package in a scheme. It never fails.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion, &EventStream{}, &EventStreamList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
