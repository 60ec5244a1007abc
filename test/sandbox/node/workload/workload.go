// Package workload runs Deployments and ReplicaSets, by the arithmetic of Kubernetes' own controllers: what it counts,
// the order of its steps, and the conditions, reasons, annotations and labels that kubectl reads.
//
// Not here: adoption of Pods and ReplicaSets that nobody owns, and hash collisions between two templates.
package workload

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/runnel-dev/runnel/test/sandbox/node/loop"
)

// workers is how many Deployments, and how many ReplicaSets, are worked on at once.
const workers = 4

// byOwner is the index of ReplicaSets and Pods by the UID of their controller.
const byOwner = "owner"

// Options is what New needs; only Gather may be left out.
type Options struct {
	Client    kubernetes.Interface
	Informers informers.SharedInformerFactory
	Recorder  record.EventRecorder
	Log       logr.Logger
	// Gather is how long a Deployment or ReplicaSet waits after something of it changed, so that several changes make one status.
	Gather time.Duration
}

// Controllers are the controllers of Deployments and of ReplicaSets.
type Controllers struct {
	deployments *deployments
	replicaSets *replicaSets
}

// New registers the controllers with the informers, which are to be started after it.
func New(o Options) (*Controllers, error) {
	r, err := newReplicaSets(o)
	if err != nil {
		return nil, fmt.Errorf("controller of ReplicaSets: %w", err)
	}
	d, err := newDeployments(o)
	if err != nil {
		return nil, fmt.Errorf("controller of Deployments: %w", err)
	}
	d.loop.Gather(o.Gather)
	r.loop.Gather(o.Gather)
	return &Controllers{deployments: d, replicaSets: r}, nil
}

// Run runs until ctx is done and every call has returned. The informers' caches must be full.
func (c *Controllers) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { c.deployments.loop.Run(ctx, workers) })
	both.Go(func() { c.replicaSets.loop.Run(ctx, workers) })
	both.Wait()
}

// index makes an informer findable by the controller of its objects.
func index(i cache.SharedIndexInformer) error {
	if _, there := i.GetIndexer().GetIndexers()[byOwner]; there {
		return nil
	}
	return i.AddIndexers(cache.Indexers{byOwner: func(obj any) ([]string, error) {
		if m, ok := obj.(metav1.Object); ok {
			if ref := metav1.GetControllerOf(m); ref != nil {
				return []string{string(ref.UID)}, nil
			}
		}
		return nil, nil
	}})
}

// owned returns the objects whose controller has the UID.
func owned[T any](i cache.SharedIndexInformer, uid types.UID) ([]*T, error) {
	found, err := i.GetIndexer().ByIndex(byOwner, string(uid))
	if err != nil {
		return nil, err
	}
	out := make([]*T, 0, len(found))
	for _, o := range found {
		if t, ok := o.(*T); ok {
			out = append(out, t)
		}
	}
	return out, nil
}

// enqueue adds an object, or the tombstone of one, to a loop.
func enqueue(l *loop.Loop) func(any) {
	return func(obj any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj); err == nil {
			l.Add(key)
		}
	}
}

// enqueueOwner adds the controller of an object, if it is of the given kind, to a loop.
func enqueueOwner(l *loop.Loop, kind string) func(any) {
	return func(obj any) {
		if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = gone.Obj
		}
		m, ok := obj.(metav1.Object)
		if !ok {
			return
		}
		if ref := metav1.GetControllerOf(m); ref != nil && ref.Kind == kind {
			l.Add(m.GetNamespace() + "/" + ref.Name)
		}
	}
}

// always calls one function for everything that an informer tells.
func always(f func(any)) cache.ResourceEventHandlerFuncs {
	return cache.ResourceEventHandlerFuncs{AddFunc: f, DeleteFunc: f, UpdateFunc: func(_, obj any) { f(obj) }}
}

// finished says that a pod's containers have ended for good.
func finished(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// replicas is the wanted number of a ReplicaSet; the API server's default is 1.
func replicas(rs *appsv1.ReplicaSet) int32 {
	if rs.Spec.Replicas == nil {
		return 1
	}
	return *rs.Spec.Replicas
}
