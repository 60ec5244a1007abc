// Package node is a Kubernetes node without containers, for any API server: Deployments become ReplicaSets and Pods,
// Pods become processes on addresses of 127.0.0.0/8, Services become listeners on theirs.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"

	"github.com/runnel-dev/runnel/test/sandbox/node/dns"
	"github.com/runnel-dev/runnel/test/sandbox/node/endpoint"
	"github.com/runnel-dev/runnel/test/sandbox/node/kubelet"
	"github.com/runnel-dev/runnel/test/sandbox/node/proxy"
	"github.com/runnel-dev/runnel/test/sandbox/node/workload"
)

const (
	// Name is that of the one Node object.
	Name = "sandbox"
	// callTimeout ends a call to an API server that hangs. A slow and busy machine takes seconds for a call, and a call that was given up
	// may still take effect: a ReplicaSet would then make a pod too many.
	callTimeout = 2 * time.Minute
	// cacheTimeout bounds the first listing of all objects. A sandbox that has just started has few, and a slow and busy machine still
	// takes seconds.
	cacheTimeout = 2 * time.Minute
	// fakeGather is how long faked pods are gathered into one status of their ReplicaSet and Deployment.
	fakeGather = 100 * time.Millisecond
)

// Image is a directory of this machine that stands for a container image.
type Image = kubelet.Image

// Options is what Start needs.
type Options struct {
	Config *rest.Config     // of an administrator; required
	Dir    string           // for the pods' files, made if missing; required. Start empties its subdirectory "pods"
	Images map[string]Image // by reference, exact or without tag and digest
	Log    logr.Logger      // default: none

	// SyncPeriod is how often a pod's volumes are refreshed; default 1 min, as on a kubelet.
	SyncPeriod time.Duration
	// BackOff is the pause before a container's second restart, doubled each time up to 5 min; default 10 s.
	BackOff time.Duration
	// ProbeInterval is how often a probe is tried until it succeeds for the first time, where its period is longer, so
	// that a pod is ready as soon as it can be. Default 0: only as often as its period says.
	ProbeInterval time.Duration
	// FakeReady makes pods ready at once, with an address, but without processes. Services then lead nowhere: they have neither
	// listeners nor EndpointSlices. Nor are there events, which would be a third of what is written.
	FakeReady bool
}

// Node is a running node.
type Node struct {
	kubelet *kubelet.Kubelet
	proxy   *proxy.Proxy
	names   *dns.Server
	cancel  context.CancelFunc
	done    chan struct{}
	err     error // why the kubelet ended; read after done
}

// Start runs a node until Stop is called or ctx is done. When it returns, the controllers follow the API server.
func Start(ctx context.Context, o Options) (*Node, error) {
	if o.Config == nil || o.Dir == "" {
		return nil, errors.New("node: set Config and Dir")
	}
	if o.SyncPeriod == 0 {
		o.SyncPeriod = time.Minute
	}
	if o.BackOff == 0 {
		o.BackOff = 10 * time.Second
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	o.Dir = dir
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "pods")), os.MkdirAll(dir, 0o755)); err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	n, err := start(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	return n, nil
}

// parts are what a node consists of.
type parts struct {
	informers   informers.SharedInformerFactory
	events      record.EventBroadcaster
	sink        record.EventSink
	kubelet     *kubelet.Kubelet
	controllers *workload.Controllers
	endpoints   *endpoint.Controller
	proxy       *proxy.Proxy
	names       *dns.Server
	fake        bool // no process listens behind a Service
}

func newParts(o Options) (*parts, error) {
	watching := rest.CopyConfig(o.Config)
	watching.QPS = -1 // a node that waits for itself tests nothing
	watching.ContentType = runtime.ContentTypeProtobuf
	calling := rest.CopyConfig(watching)
	calling.Timeout = callTimeout
	watcher, err := kubernetes.NewForConfig(watching)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(calling)
	if err != nil {
		return nil, err
	}
	p := &parts{
		fake:      o.FakeReady,
		informers: informers.NewSharedInformerFactory(watcher, 0), events: record.NewBroadcaster(),
		sink: &typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")},
	}
	recorder := func(component string) record.EventRecorder {
		return p.events.NewRecorder(scheme.Scheme, corev1.EventSource{Component: component, Host: Name})
	}
	controllers := workload.Options{Client: client, Informers: p.informers, Recorder: recorder("workload"), Log: o.Log.WithName("workload")}
	if o.FakeReady {
		controllers.Gather = fakeGather
	}
	if p.controllers, err = workload.New(controllers); err != nil {
		return nil, err
	}
	if p.endpoints, err = endpoint.New(client, p.informers, o.Log.WithName("endpoint")); err != nil {
		return nil, err
	}
	if p.proxy, err = proxy.New(p.informers, o.Log.WithName("proxy")); err != nil {
		return nil, err
	}
	if p.names, err = dns.New(p.informers, o.Log.WithName("dns")); err != nil {
		return nil, err
	}
	p.kubelet, err = kubelet.New(kubelet.Options{
		Client: client, Config: o.Config, Informers: p.informers, Recorder: recorder("kubelet"), Log: o.Log.WithName("kubelet"), NodeName: Name,
		Dir: o.Dir, Images: o.Images, SyncPeriod: o.SyncPeriod, BackOff: o.BackOff, ProbeInterval: o.ProbeInterval, FakeReady: o.FakeReady,
		Nameserver: p.names.Address(),
	})
	if err != nil {
		return nil, errors.Join(err, p.names.Close())
	}
	return p, nil
}

func start(ctx context.Context, o Options) (*Node, error) {
	p, err := newParts(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	if !p.fake {
		p.events.StartRecordingToSink(p.sink)
	}
	p.informers.Start(ctx.Done())
	if err := p.prepare(ctx); err != nil {
		cancel()
		p.events.Shutdown()
		p.informers.Shutdown()
		return nil, errors.Join(err, p.kubelet.Close(), p.names.Close())
	}
	n := &Node{kubelet: p.kubelet, proxy: p.proxy, names: p.names, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(n.done)
		n.err = p.run(ctx)
	}()
	return n, nil
}

// prepare fills the caches and registers the node.
func (p *parts) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	for kind, ok := range p.informers.WaitForCacheSync(ctx.Done()) {
		if !ok {
			return fmt.Errorf("cannot list %v within %s", kind, cacheTimeout)
		}
	}
	return p.kubelet.Register(ctx)
}

func (p *parts) run(ctx context.Context) error {
	var all sync.WaitGroup
	var err error
	all.Go(func() { err = p.kubelet.Run(ctx) })
	all.Go(func() { p.controllers.Run(ctx) })
	if !p.fake {
		all.Go(func() { p.endpoints.Run(ctx) })
		all.Go(func() { p.proxy.Run(ctx) })
	}
	all.Go(func() { p.names.Run(ctx) })
	all.Wait()
	p.events.Shutdown()
	p.informers.Shutdown()
	return err
}

// Stop kills every process of every pod at once, as if the machine were switched off, cuts all connections, and returns
// when nothing is left: no process, file, listener or goroutine. The objects in the API server stay as they are.
func (n *Node) Stop() error {
	n.cancel()
	<-n.done
	return n.err
}

// Nameserver is where names like shop-publish.team-a.svc.cluster.local are asked for, as host:port, by UDP and TCP. Pods
// find it in RUNNEL_NAMESERVER.
func (n *Node) Nameserver() string { return n.names.Address() }

// SilenceNames has the name server answer no question any more, or all again.
func (n *Node) SilenceNames(on bool) { n.names.Silence(on) }

// ServiceURL is where a Service's port is reached from this machine, such as http://127.96.0.7:8081. The name may be
// empty for a Service with one port. Where ports below 1024 are not allowed, they are moved by 8000, and the URL says so.
func (n *Node) ServiceURL(namespace, service, port string) (string, error) {
	return n.proxy.URL(namespace, service, port)
}

// URLOf is ServiceURL for a Service object, which need not have been seen by the node yet.
func (n *Node) URLOf(service *corev1.Service, port string) (string, error) {
	return n.proxy.URLOf(service, port)
}

// PodLogs reads a container's log; the container may be empty for a pod with one. Its errors are API errors.
func (n *Node) PodLogs(ctx context.Context, namespace, pod, container string, o *corev1.PodLogOptions) (io.ReadCloser, error) {
	return n.kubelet.Logs(ctx, namespace, pod, container, o)
}

// LogFile is the file that the log of a container's present run is in, until the pod is deleted.
func (n *Node) LogFile(namespace, pod, container string) (string, error) {
	return n.kubelet.LogFile(namespace, pod, container)
}

// Kill crashes a pod: its processes get SIGKILL, and restart by the pod's policy.
func (n *Node) Kill(namespace, pod string) error {
	return n.kubelet.Signal(namespace, pod, syscall.SIGKILL)
}

// Pause makes a pod's processes hang, as a machine that swaps or a lost network: connections stay, nothing answers.
func (n *Node) Pause(namespace, pod string) error {
	return n.kubelet.Signal(namespace, pod, syscall.SIGSTOP)
}

// Resume lets a paused pod go on.
func (n *Node) Resume(namespace, pod string) error {
	return n.kubelet.Signal(namespace, pod, syscall.SIGCONT)
}

// CutConnections resets all connections that the Service's proxy has at present, and says how many there were.
func (n *Node) CutConnections(namespace, service string) int {
	return n.proxy.Cut(namespace, service)
}
