package render

import (
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/runnel-dev/runnel/hub/config"
)

// Labels of every child and pod. Name and instance select the pods; a Deployment's selector cannot be changed, so these two
// and their values are for ever.
const (
	LabelName      = "app.kubernetes.io/name"
	LabelInstance  = "app.kubernetes.io/instance"
	LabelComponent = "app.kubernetes.io/component"
	LabelPartOf    = "app.kubernetes.io/part-of"
	LabelManagedBy = "app.kubernetes.io/managed-by"

	// ManagedBy is the value of LabelManagedBy: the operator's caches hold nothing without it.
	ManagedBy = "runnel"

	hubName = "runnel-hub"
)

// Input is all that a stream's children are made of.
type Input struct {
	// Stream with every value filled in.
	Stream Resolved
	// Config is the hub's configuration, by which its pods are made.
	Config *config.Config
	// Document is what of Config the hubs read, where some are too old for all of it; nil is Config. A pod does not change with it.
	Document *config.Config
	// Image of the hub, pinned by the caller.
	Image string
}

// Child is one object that a stream needs.
type Child struct {
	// Kind and Name say which; it is in the stream's namespace.
	Kind schema.GroupVersionKind
	Name string
	// Object is the typed apply configuration. It has no owner reference, which is the business of who applies it.
	Object runtime.ApplyConfiguration
	// Meta is the metadata inside Object.
	Meta *metav1ac.ObjectMetaApplyConfiguration
}

// Children returns the objects of a stream in the order in which they are applied: what the pods mount and run as comes
// before the pods. It fails only on a template that has no form as an apply configuration.
func Children(in Input) ([]Child, error) {
	configMap, err := configMap(in)
	if err != nil {
		return nil, err
	}
	deployment, err := deployment(in)
	if err != nil {
		return nil, err
	}
	return []Child{
		serviceAccount(in),
		configMap,
		subscribeService(in),
		publishService(in),
		hubService(in),
		deployment,
	}, nil
}

// Names are those that the children of a kind have.
func Names(kind any, stream string) []string {
	switch kind.(type) {
	case *corev1.ServiceAccount, *corev1.ConfigMap, *appsv1.Deployment:
		return []string{HubName(stream)}
	case *corev1.Service:
		return []string{SubscribeName(stream), PublishName(stream), HubName(stream)}
	default:
		return nil
	}
}

// HubName is the name of a stream's ServiceAccount, ConfigMap, Deployment and headless Service.
func HubName(stream string) string { return stream + "-hub" }

// SubscribeName is the name of the Service for readers.
func SubscribeName(stream string) string { return stream + "-subscribe" }

// PublishName is the name of the Service for publishers.
func PublishName(stream string) string { return stream + "-publish" }

// Selector returns the labels that select the pods of a stream within its namespace.
func Selector(stream string) map[string]string {
	return map[string]string{LabelName: hubName, LabelInstance: stream}
}

// labels are the selector's, and those that people and tools look for. The operator's version is not among them: a new
// operator would roll every hub.
func labels(stream string) map[string]string {
	l := Selector(stream)
	maps.Copy(l, map[string]string{LabelComponent: "hub", LabelPartOf: "runnel", LabelManagedBy: ManagedBy})
	return l
}

// IsChild reports whether the labels of an object are those of a child of the stream.
func IsChild(o metav1.Object, stream string) bool {
	l := o.GetLabels()
	return l[LabelName] == hubName && l[LabelInstance] == stream && l[LabelManagedBy] == ManagedBy
}
