package apiserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/endpoints/request"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
)

// logREST serves pods/log from Options.PodLogs.
type logREST struct {
	pods *resource
	open PodLogs
}

func (r *logREST) New() runtime.Object               { return &corev1.Pod{} }
func (r *logREST) Destroy()                          {}
func (r *logREST) ProducesMIMETypes(string) []string { return []string{"text/plain"} }
func (r *logREST) ProducesObject(string) any         { return "" }
func (r *logREST) NewGetOptions() (runtime.Object, bool, string) {
	return &corev1.PodLogOptions{}, false, ""
}

// Get implements rest.GetterWithOptions.
func (r *logREST) Get(ctx context.Context, name string, options runtime.Object) (runtime.Object, error) {
	o, ok := options.(*corev1.PodLogOptions)
	if !ok {
		return nil, apierrors.NewBadRequest("the query is no PodLogOptions")
	}
	obj, err := r.pods.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if r.open == nil {
		return nil, &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusNotImplemented, Reason: metav1.StatusReasonMethodNotAllowed,
			Message: "this server has no node whose logs it could read",
		}}
	}
	if o.Container, err = logContainer(obj.(*corev1.Pod), o.Container); err != nil {
		return nil, err
	}
	namespace := request.NamespaceValue(ctx) // the stream's own context does not have it
	return &logStream{open: func(ctx context.Context) (io.ReadCloser, error) {
		return r.open(ctx, namespace, name, o.Container, o)
	}, follow: o.Follow}, nil
}

// logContainer is the container whose log is meant.
func logContainer(pod *corev1.Pod, name string) (string, error) {
	var all []string
	for _, c := range append(slices.Clone(pod.Spec.InitContainers), pod.Spec.Containers...) {
		all = append(all, c.Name)
	}
	switch {
	case name == "" && len(pod.Spec.Containers) == 1:
		return pod.Spec.Containers[0].Name, nil
	case name == "" && slices.Contains(all, pod.Annotations["kubectl.kubernetes.io/default-container"]):
		return pod.Annotations["kubectl.kubernetes.io/default-container"], nil
	case name == "":
		return "", apierrors.NewBadRequest(fmt.Sprintf("a container name must be specified for pod %s, choose one of: %v", pod.Name, all))
	case !slices.Contains(all, name):
		return "", apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s, choose one of: %v", name, pod.Name, all))
	}
	return name, nil
}

// logStream is a log on its way to the client.
type logStream struct {
	open   func(context.Context) (io.ReadCloser, error)
	follow bool
}

func (s *logStream) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }
func (s *logStream) DeepCopyObject() runtime.Object   { return s }

// InputStream implements rest.ResourceStreamer.
func (s *logStream) InputStream(ctx context.Context, _, _ string) (io.ReadCloser, bool, string, error) {
	stream, err := s.open(ctx)
	return stream, s.follow, "text/plain", err
}

// bindingREST serves pods/binding: a scheduler's word on which node a pod runs.
type bindingREST struct{ store *genericregistry.Store }

func newBindingREST(pods *resource) *bindingREST {
	store := *pods.Store
	s := bindingStrategy{pods.UpdateStrategy.(strategy)}
	store.UpdateStrategy = s
	return &bindingREST{store: &store}
}

func (r *bindingREST) New() runtime.Object   { return &corev1.Binding{} }
func (r *bindingREST) Destroy()              {}
func (r *bindingREST) NamespaceScoped() bool { return true }

// Create implements rest.NamedCreater.
func (r *bindingREST) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, o *metav1.CreateOptions) (runtime.Object, error) {
	b, ok := obj.(*corev1.Binding)
	if !ok {
		return nil, apierrors.NewBadRequest("send a Binding of v1")
	}
	if b.Target.Name == "" || b.Target.Kind != "" && b.Target.Kind != "Node" {
		return nil, apierrors.NewBadRequest("target must be a Node: set target.kind to Node and target.name to its name")
	}
	if validate != nil {
		if err := validate(ctx, b.DeepCopy()); err != nil {
			return nil, err
		}
	}
	_, _, err := r.store.Update(ctx, name, rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, old runtime.Object) (runtime.Object, error) {
		return boundTo(old.(*corev1.Pod), b)
	}), rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{DryRun: o.DryRun})
	if err != nil {
		return nil, err
	}
	return &metav1.Status{Status: metav1.StatusSuccess, Code: http.StatusCreated}, nil
}

// boundTo is the pod with its node.
func boundTo(pod *corev1.Pod, b *corev1.Binding) (*corev1.Pod, error) {
	refuse := func(msg string) error {
		return apierrors.NewConflict(corev1.Resource("pods/binding"), pod.Name, errors.New(msg))
	}
	switch {
	case b.UID != "" && b.UID != pod.UID:
		return nil, refuse("the binding's metadata.uid is another pod's")
	case pod.DeletionTimestamp != nil:
		return nil, refuse("the pod is being deleted, cannot be assigned to a host")
	case pod.Spec.NodeName != "":
		return nil, refuse(fmt.Sprintf("the pod is already assigned to node %q", pod.Spec.NodeName))
	}
	pod = pod.DeepCopy()
	pod.Spec.NodeName = b.Target.Name
	for key, value := range b.Annotations {
		metav1.SetMetaDataAnnotation(&pod.ObjectMeta, key, value)
	}
	pod.Status.Conditions = slices.DeleteFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodScheduled })
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()})
	return pod, nil
}

// bindingStrategy lets the node through, which an ordinary update may not change.
type bindingStrategy struct{ strategy }

func (bindingStrategy) PrepareForUpdate(context.Context, runtime.Object, runtime.Object) {}

func (s bindingStrategy) ValidateUpdate(_ context.Context, obj, _ runtime.Object) field.ErrorList {
	return s.schema.validate(obj)
}
