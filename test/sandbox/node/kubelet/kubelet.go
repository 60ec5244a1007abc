// Package kubelet runs pods as local processes, each pod on a loopback address of its own.
//
// It follows a kubelet in what can be observed from outside: the pod's status, conditions and events, the order of
// start and termination, restarts with back-off, probes, volumes with their atomic swap, tokens and their rotation.
// There are no namespaces, no cgroups and no root file system: see the README beside the sandbox for what that means.
package kubelet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

const (
	publishers = 8 // statuses written at once; enough for some thousand fake pods a minute
	binders    = 8 // pods bound at once
)

// Options is what New needs. The zero value of a field documented with a default means that default.
type Options struct {
	Client    kubernetes.Interface // every call must end by itself: its Timeout is set
	Config    *rest.Config         // where a pod finds the API server
	Informers informers.SharedInformerFactory
	Recorder  record.EventRecorder
	Log       logr.Logger
	NodeName  string
	Dir       string           // holds the pods' directories; absolute, exists
	Images    map[string]Image // by reference, exact or without tag and digest

	SyncPeriod    time.Duration // how often a pod's volumes are refreshed
	BackOff       time.Duration // before the second restart of a container; doubled each time up to 5 min
	ProbeInterval time.Duration // until its first success a probe is tried this often; 0: only as often as its period says
	FakeReady     bool          // pods become ready without any process
	Nameserver    string        // host:port of who knows the names of Services
}

// Kubelet is the node's agent: it binds every pod to itself and runs it.
type Kubelet struct {
	Options
	pods      corelisters.PodLister
	binder    *binder
	publisher *publisher
	spawner   *spawner
	addresses *addresses
	fakes     *fakes

	mu      sync.Mutex // guards what follows; taken before the locks of publisher and fakes
	workers map[types.UID]*worker
	ctx     context.Context // set by Run; workers end with it
	all     sync.WaitGroup
	backlog []*corev1.Pod // seen before Run
}

// New registers the kubelet with the informers, which are to be started after it. It claims a block of addresses that
// no other sandbox on this machine has, which the end of Run or Close gives back.
func New(o Options) (*Kubelet, error) {
	a, err := claimAddresses()
	if err != nil {
		return nil, err
	}
	informer := o.Informers.Core().V1().Pods()
	k := &Kubelet{
		Options: o, pods: informer.Lister(), addresses: a,
		spawner: newSpawner(), workers: map[types.UID]*worker{},
	}
	k.binder = newBinder(o)
	k.publisher = newPublisher(o)
	k.fakes = &fakes{publisher: k.publisher, addresses: a, given: map[types.UID]netip.Addr{}}
	_, err = informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    k.podChanged,
		UpdateFunc: func(_, obj any) { k.podChanged(obj) },
		DeleteFunc: k.podGone,
	})
	if err != nil {
		return nil, errors.Join(err, a.release())
	}
	return k, nil
}

// Register makes the Node object.
func (k *Kubelet) Register(ctx context.Context) error {
	if err := registerNode(ctx, k.Client, k.NodeName); err != nil {
		return fmt.Errorf("register node %s: %w", k.NodeName, err)
	}
	return nil
}

// Close gives back what New took; it is for a kubelet that is not run.
func (k *Kubelet) Close() error { return k.addresses.release() }

// Run runs pods until ctx is done. Then it kills every process, removes every pod's directory, gives back its addresses,
// and returns when nothing is left of them. The informers' caches must be full.
func (k *Kubelet) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	parts.Go(k.spawner.run)
	parts.Go(func() { k.binder.loop.Run(ctx, binders) })
	parts.Go(func() { k.publisher.loop.Run(ctx, publishers) })
	k.mu.Lock()
	k.ctx = ctx
	backlog := k.backlog
	k.backlog = nil
	k.mu.Unlock()
	for _, p := range backlog {
		if now, err := k.pods.Pods(p.Namespace).Get(p.Name); err == nil && now.UID == p.UID {
			k.podChanged(now)
		}
	}
	<-ctx.Done()
	// Past this lock no worker is added, since podChanged looks at ctx under it.
	k.mu.Lock()
	k.mu.Unlock() //nolint:staticcheck // an empty critical section is the point
	k.all.Wait()
	k.spawner.stop()
	parts.Wait()
	return k.addresses.release()
}

func (k *Kubelet) podChanged(obj any) {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return
	}
	if pod.Spec.NodeName == "" {
		if pod.DeletionTimestamp == nil {
			k.binder.add(pod)
		}
		return
	}
	if pod.Spec.NodeName != k.NodeName {
		return
	}
	if k.FakeReady {
		k.fakes.follow(pod)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch w := k.workers[pod.UID]; {
	case k.ctx == nil:
		k.backlog = append(k.backlog, pod)
	case k.ctx.Err() != nil:
	case w != nil:
		w.offer(update{pod: pod})
	case over(pod):
		if pod.DeletionTimestamp != nil {
			k.publisher.finish(pod, nil)
		}
	default:
		w := newWorker(k, pod)
		k.workers[pod.UID] = w
		k.all.Go(func() {
			w.run(k.ctx)
			k.mu.Lock()
			defer k.mu.Unlock()
			delete(k.workers, pod.UID)
		})
	}
}

func (k *Kubelet) podGone(obj any) {
	if t, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = t.Obj
	}
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return
	}
	k.publisher.forget(pod.UID)
	k.fakes.forget(pod.UID)
	k.mu.Lock()
	defer k.mu.Unlock()
	if w := k.workers[pod.UID]; w != nil {
		w.offer(update{pod: pod, gone: true})
	}
}

// over says that a pod has ended for good, so that nothing of it is run again.
func over(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// worker returns the one that runs the pod of this name.
func (k *Kubelet) worker(namespace, name string) (*worker, error) {
	pod, err := k.pods.Pods(namespace).Get(name)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.workers[pod.UID]
	if w == nil {
		return nil, fmt.Errorf("pod %s/%s does not run on this node: wait until it is bound, or see whether it has ended", namespace, name)
	}
	return w, nil
}

// podDir is where everything of a pod is.
func (k *Kubelet) podDir(uid types.UID) string {
	return filepath.Join(k.Dir, "pods", string(uid))
}

// imageNames are the known images, sorted, for messages.
func (k *Kubelet) imageNames() []string {
	return slices.Sorted(maps.Keys(k.Images))
}

// removeDir removes a pod's directory, which may be odd: a pod can take the write permission from its own files.
func removeDir(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || !errors.Is(err, os.ErrPermission) {
		return err
	}
	return errors.Join(
		filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				return os.Chmod(p, 0o700)
			}
			return nil
		}),
		os.RemoveAll(dir),
	)
}
