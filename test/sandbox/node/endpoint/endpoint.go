// Package endpoint keeps the EndpointSlices of Services that have a selector, as kube-controller-manager does: who is
// ready, who serves, who terminates, under the names of the Service's ports.
package endpoint

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/runnel-dev/runnel/test/sandbox/node/loop"
)

const (
	// manager is the value by which Kubernetes' own controller marks its slices.
	manager = "endpointslice-controller.k8s.io"
	workers = 4
	// byService is the index of slices by namespace/name of their Service.
	byService = "service"
)

// Controller writes the slices. Only IPv4 addresses, and no topology hints.
type Controller struct {
	client   kubernetes.Interface
	services corelisters.ServiceLister
	pods     corelisters.PodLister
	slices   cache.SharedIndexInformer
	loop     *loop.Loop
}

// New registers the controller with the informers, which are to be started after it.
func New(client kubernetes.Interface, all informers.SharedInformerFactory, log logr.Logger) (*Controller, error) {
	c := &Controller{
		client: client, services: all.Core().V1().Services().Lister(), pods: all.Core().V1().Pods().Lister(),
		slices: all.Discovery().V1().EndpointSlices().Informer(),
	}
	c.loop = loop.New(log, c.sync)
	if err := IndexByService(c.slices); err != nil {
		return nil, err
	}
	add := func(obj any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj); err == nil {
			c.loop.Add(key)
		}
	}
	_, err := all.Core().V1().Services().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: add, DeleteFunc: add, UpdateFunc: func(_, obj any) { add(obj) },
	})
	if err != nil {
		return nil, err
	}
	_, err = all.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: c.podChanged, DeleteFunc: c.podChanged,
		UpdateFunc: func(old, obj any) {
			c.podChanged(obj)
			if a, ok := old.(*corev1.Pod); ok && !apiequality.Semantic.DeepEqual(a.Labels, obj.(*corev1.Pod).Labels) {
				c.podChanged(old) // a Service that it no longer belongs to
			}
		},
	})
	if err != nil {
		return nil, err
	}
	// Slices that somebody changes are put right again.
	_, err = c.slices.AddEventHandler(cache.ResourceEventHandlerFuncs{UpdateFunc: func(_, obj any) { c.sliceChanged(obj) }, DeleteFunc: c.sliceChanged})
	return c, err
}

// Run runs until ctx is done and every call has returned. The informers' caches must be full.
func (c *Controller) Run(ctx context.Context) { c.loop.Run(ctx, workers) }

// IndexByService makes an informer of EndpointSlices findable by BelongingTo.
func IndexByService(i cache.SharedIndexInformer) error {
	if _, there := i.GetIndexer().GetIndexers()[byService]; there {
		return nil
	}
	return i.AddIndexers(cache.Indexers{byService: func(obj any) ([]string, error) {
		if s, ok := obj.(*discoveryv1.EndpointSlice); ok && s.Labels[discoveryv1.LabelServiceName] != "" {
			return []string{s.Namespace + "/" + s.Labels[discoveryv1.LabelServiceName]}, nil
		}
		return nil, nil
	}})
}

// BelongingTo lists the slices of a Service, given by namespace/name.
func BelongingTo(i cache.SharedIndexInformer, service string) ([]*discoveryv1.EndpointSlice, error) {
	found, err := i.GetIndexer().ByIndex(byService, service)
	if err != nil {
		return nil, err
	}
	out := make([]*discoveryv1.EndpointSlice, 0, len(found))
	for _, o := range found {
		if s, ok := o.(*discoveryv1.EndpointSlice); ok {
			out = append(out, s)
		}
	}
	return out, nil
}

func (c *Controller) podChanged(obj any) {
	if t, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = t.Obj
	}
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return
	}
	all, err := c.services.Services(pod.Namespace).List(labels.Everything())
	if err != nil {
		return // a lister of a cache does not fail
	}
	for _, s := range all {
		if len(s.Spec.Selector) > 0 && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			c.loop.Add(s.Namespace + "/" + s.Name)
		}
	}
}

func (c *Controller) sliceChanged(obj any) {
	if t, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = t.Obj
	}
	if s, ok := obj.(*discoveryv1.EndpointSlice); ok && s.Labels[discoveryv1.LabelManagedBy] == manager {
		c.loop.Add(s.Namespace + "/" + s.Labels[discoveryv1.LabelServiceName])
	}
}

func (c *Controller) sync(ctx context.Context, key string) (time.Duration, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return 0, err
	}
	service, err := c.services.Services(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return 0, nil // its slices go with it, by owner
	} else if err != nil {
		return 0, err
	}
	if len(service.Spec.Selector) == 0 || service.Spec.Type == corev1.ServiceTypeExternalName || service.DeletionTimestamp != nil {
		return 0, nil
	}
	pods, err := c.pods.Pods(namespace).List(labels.SelectorFromSet(service.Spec.Selector))
	if err != nil {
		return 0, err
	}
	there, err := BelongingTo(c.slices, key)
	if err != nil {
		return 0, err
	}
	return 0, c.write(ctx, slicesOf(service, pods), there)
}

// write creates, updates and deletes slices until exactly the wanted ones are there.
func (c *Controller) write(ctx context.Context, wanted map[string]*discoveryv1.EndpointSlice, there []*discoveryv1.EndpointSlice) error {
	for _, old := range there {
		if old.Labels[discoveryv1.LabelManagedBy] != manager {
			continue // somebody else's
		}
		client := c.client.DiscoveryV1().EndpointSlices(old.Namespace)
		next, ok := wanted[old.Name]
		if !ok {
			if err := client.Delete(ctx, old.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("delete EndpointSlice %s: %w", old.Name, err)
			}
			continue
		}
		delete(wanted, old.Name)
		if apiequality.Semantic.DeepEqual(old.Endpoints, next.Endpoints) && apiequality.Semantic.DeepEqual(old.Ports, next.Ports) &&
			apiequality.Semantic.DeepEqual(old.Labels, next.Labels) {
			continue
		}
		changed := old.DeepCopy()
		changed.Endpoints, changed.Ports, changed.Labels = next.Endpoints, next.Ports, next.Labels
		if _, err := client.Update(ctx, changed, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("update EndpointSlice %s: %w", old.Name, err)
		}
	}
	for _, next := range wanted {
		_, err := c.client.DiscoveryV1().EndpointSlices(next.Namespace).Create(ctx, next, metav1.CreateOptions{})
		if err != nil && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			return fmt.Errorf("create EndpointSlice %s: %w", next.Name, err)
		}
	}
	return nil
}
