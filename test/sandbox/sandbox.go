// Package sandbox is enough of Kubernetes in one process for an operator and its pods: a real API server, and a node
// that runs pods as local processes. See README.md for what is not faithful.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/runnel-dev/runnel/test/sandbox/apiserver"
	"github.com/runnel-dev/runnel/test/sandbox/node"
	"github.com/runnel-dev/runnel/test/sandbox/node/block"
)

// Services' addresses are in 127.96.0.0 to 127.111.255.255: a block for each sandbox that runs at the same time.
const (
	firstServices = 96
	lastServices  = 111
)

// probeInterval makes a pod ready a tenth of a second after it could be; the people and tests of a sandbox wait for it.
const probeInterval = 100 * time.Millisecond

// Image is a directory of this machine that stands for a container image.
type Image = node.Image

// Call is one request that the API server has answered.
type Call = apiserver.Call

// Options says how a sandbox runs. Its zero value is a sandbox that knows no image.
type Options struct {
	Dir    string           // for the API server's data and the pods' files; default: a new directory, removed by Stop
	Images map[string]Image // by reference, exact or without tag and digest
	Log    logr.Logger      // default: none
	// Address is where the API server listens, in 127.0.0.0/8; default: a free port of 127.0.0.1.
	Address string

	// Calls is told of every call to the API server once it is answered, of a watch once it has begun. Many tell it at once,
	// and wait for it.
	Calls func(Call)

	// SyncPeriod is how often a pod's volumes are refreshed; default 1 min, as on a kubelet.
	SyncPeriod time.Duration
	// BackOff is the pause before a container's second restart, doubled each time up to 5 min; default 10 s.
	BackOff time.Duration
	// SlowProbes probes a pod only as often as its probes' periods say. By default a probe is tried ten times a second
	// until it succeeds for the first time.
	SlowProbes bool
	// FakeReady makes pods ready at once, with an address, but without processes. Services then lead nowhere: they have neither
	// listeners nor EndpointSlices. Nor are there the node's events.
	FakeReady bool
}

// Sandbox is a running cluster of one node.
type Sandbox struct {
	Config     *rest.Config // with every right; copy it before changing it
	Kubeconfig string       // the path of a kubeconfig of the same rights
	API        *apiserver.Server
	Node       *node.Node

	remove   string
	services *block.Block
}

// Start runs a sandbox until Stop. ctx bounds the start alone. When it returns, the API server answers and the node is
// ready.
func Start(ctx context.Context, o Options) (*Sandbox, error) {
	s := &Sandbox{}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: %w", err), s.Stop())
	}
	return s, nil
}

func (s *Sandbox) start(ctx context.Context, o Options) error {
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "runnel-sandbox-")
		if err != nil {
			return err
		}
		o.Dir, s.remove = dir, dir
	}
	var err error
	if s.services, err = block.Claim(firstServices, lastServices); err != nil {
		return fmt.Errorf("addresses of Services: %w", err)
	}
	var running atomic.Pointer[node.Node] // the API server is there before the node
	logs := func(ctx context.Context, namespace, pod, container string, lo *corev1.PodLogOptions) (io.ReadCloser, error) {
		n := running.Load()
		if n == nil {
			return nil, apierrors.NewServiceUnavailable("the node is not up yet: try again")
		}
		return n.PodLogs(ctx, namespace, pod, container, lo)
	}
	s.API, err = apiserver.Start(ctx, apiserver.Options{
		StateDir: filepath.Join(o.Dir, "apiserver"), Address: o.Address, Logger: o.Log.WithName("apiserver"), PodLogs: logs,
		ServiceNetwork: s.services.Second, Calls: o.Calls,
	})
	if err != nil {
		return err
	}
	s.Config, s.Kubeconfig = s.API.Config, s.API.Kubeconfig
	interval := probeInterval
	if o.SlowProbes {
		interval = 0
	}
	// The node outlives ctx: Stop ends it.
	s.Node, err = node.Start(context.WithoutCancel(ctx), node.Options{
		Config: s.Config, Dir: filepath.Join(o.Dir, "node"), Images: o.Images, Log: o.Log.WithName("node"),
		SyncPeriod: o.SyncPeriod, BackOff: o.BackOff, ProbeInterval: interval, FakeReady: o.FakeReady,
	})
	if err != nil {
		return err
	}
	running.Store(s.Node)
	return nil
}

// Stop kills all pods, ends the API server and removes what the sandbox made on disk. It may be called once.
func (s *Sandbox) Stop() error {
	var err error
	if s.Node != nil {
		err = s.Node.Stop()
	}
	if s.API != nil {
		s.API.Stop()
	}
	if s.services != nil {
		err = errors.Join(err, s.services.Release())
	}
	if s.remove != "" {
		err = errors.Join(err, os.RemoveAll(s.remove))
	}
	return err
}
