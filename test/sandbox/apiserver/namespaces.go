package apiserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
)

const (
	defaultAccount = "default"
	rootCAName     = "kube-root-ca.crt"
	rootCAKey      = "ca.crt"
)

// namespaceWorkers is enough for a suite that makes and deletes one with every spec.
const namespaceWorkers = 2

// namespaces gives each namespace what Kubernetes puts into it, and empties the ones that are deleted.
type namespaces struct {
	client    kubernetes.Interface
	metadata  metadata.Interface
	catalogue *catalogue
	caBundle  string
	// Two queues, so that a new namespace does not wait behind those that wait for their pods to end.
	furnishing, emptying *work[string]

	list      cache.SharedIndexInformer // of the shared factory, which runs it
	accounts  cache.SharedIndexInformer
	authority cache.SharedIndexInformer
}

func newNamespaces(client kubernetes.Interface, m metadata.Interface, c *catalogue, shared informers.SharedInformerFactory, caBundle []byte) (*namespaces, error) {
	only := func(name string) func(*metav1.ListOptions) {
		return func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermEqualSelector("metadata.name", name).String()
		}
	}
	n := &namespaces{
		client: client, metadata: m, catalogue: c, caBundle: string(caBundle),
		list:      shared.Core().V1().Namespaces().Informer(),
		accounts:  coreinformers.NewFilteredServiceAccountInformer(client, metav1.NamespaceAll, 0, cache.Indexers{}, only(defaultAccount)),
		authority: coreinformers.NewFilteredConfigMapInformer(client, metav1.NamespaceAll, 0, cache.Indexers{}, only(rootCAName)),
	}
	n.furnishing, n.emptying = newWork(n.furnish), newWork(n.empty)
	queue := func(o any) {
		if t, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = t.Obj
		}
		m, err := meta.Accessor(o)
		if err != nil {
			return
		}
		switch {
		case m.GetNamespace() != "":
			n.furnishing.queue.Add(m.GetNamespace())
		case m.GetDeletionTimestamp() != nil:
			n.emptying.queue.Add(m.GetName())
		default:
			n.furnishing.queue.Add(m.GetName())
		}
	}
	changes := cache.ResourceEventHandlerFuncs{AddFunc: queue, UpdateFunc: func(_, o any) { queue(o) }}
	losses := cache.ResourceEventHandlerFuncs{UpdateFunc: func(_, o any) { queue(o) }, DeleteFunc: queue}
	_, err1 := n.list.AddEventHandler(changes)
	_, err2 := n.accounts.AddEventHandler(losses)
	_, err3 := n.authority.AddEventHandler(losses)
	return n, errors.Join(err1, err2, err3)
}

// run works until ctx ends.
func (n *namespaces) run(ctx context.Context) {
	var watches sync.WaitGroup
	watches.Go(func() { n.accounts.RunWithContext(ctx) })
	watches.Go(func() { n.authority.RunWithContext(ctx) })
	watches.Go(func() { n.emptying.run(ctx, namespaceWorkers) })
	n.furnishing.run(ctx, namespaceWorkers)
	watches.Wait()
}

// furnish makes the namespace's ServiceAccount and the ConfigMap by which its pods trust the API server.
func (n *namespaces) furnish(ctx context.Context, name string) error {
	accounts := n.client.CoreV1().ServiceAccounts(name)
	_, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: defaultAccount}}, metav1.CreateOptions{})
	if err != nil && !settled(err) {
		return fmt.Errorf("make the ServiceAccount: %w", err)
	}
	maps := n.client.CoreV1().ConfigMaps(name)
	want := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: rootCAName, Annotations: map[string]string{
			"kubernetes.io/description": "The certificates by which a client in the cluster verifies the API server.",
		}},
		Data: map[string]string{rootCAKey: n.caBundle},
	}
	is, err := maps.Get(ctx, rootCAName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = maps.Create(ctx, want, metav1.CreateOptions{})
	case err == nil && is.Data[rootCAKey] != n.caBundle:
		is.Data = want.Data
		_, err = maps.Update(ctx, is, metav1.UpdateOptions{})
	}
	if err != nil && !settled(err) {
		return fmt.Errorf("make the ConfigMap of the certificate: %w", err)
	}
	return nil
}

// settled says of an error that nothing is left to do: the object is there, or its namespace goes.
func settled(err error) bool {
	return apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// errNotEmpty makes the queue come back: what waits for a finalizer or for a node says nothing when it is gone.
var errNotEmpty = errors.New("the namespace still holds objects")

// emptyOfPods deletes a namespace's pods, which go before all else. As in kube-controller-manager, it looks again after half of the longest
// grace period and a second, however soon they are gone.
func (n *namespaces) emptyOfPods(ctx context.Context, name string) error {
	in := n.client.CoreV1().Pods(name)
	pods, err := in.List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	if len(pods.Items) == 0 {
		return nil
	}
	if err := in.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return fmt.Errorf("delete pods: %w", err)
	}
	var longest int64
	for _, pod := range pods.Items {
		if grace := pod.Spec.TerminationGracePeriodSeconds; grace != nil && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			longest = max(longest, *grace)
		}
	}
	if pods, err = in.List(ctx, metav1.ListOptions{}); err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	if len(pods.Items) == 0 {
		return nil
	}
	return &laterError{time.Duration(longest/2+1) * time.Second}
}

// empty deletes what a deleted namespace holds, and lets it go when it holds nothing.
func (n *namespaces) empty(ctx context.Context, name string) error {
	ns, err := n.client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if ns.DeletionTimestamp == nil || !slices.Contains(ns.Spec.Finalizers, corev1.FinalizerKubernetes) {
		return nil
	}
	if err := n.emptyOfPods(ctx, name); err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	left := 0
	for _, r := range n.catalogue.namespaced() {
		in := n.metadata.Resource(r.resource).Namespace(ns.Name)
		list, err := in.List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			continue // its definition went meanwhile
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", r.resource.Resource, err)
		}
		if len(list.Items) == 0 {
			continue
		}
		if err := in.DeleteCollection(ctx, metav1.DeleteOptions{PropagationPolicy: &background}, metav1.ListOptions{}); err != nil {
			return fmt.Errorf("delete %s: %w", r.resource.Resource, err)
		}
		left += len(list.Items)
	}
	if left > 0 {
		return errNotEmpty
	}
	ns = ns.DeepCopy()
	ns.Spec.Finalizers = slices.DeleteFunc(ns.Spec.Finalizers, func(f corev1.FinalizerName) bool { return f == corev1.FinalizerKubernetes })
	_, err = n.client.CoreV1().Namespaces().Finalize(ctx, ns, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
