// Package apiserver runs a small Kubernetes API server in this process, made of Kubernetes' own libraries: real custom
// resources, and the built-in kinds that a workload is made of. README.md one level up says where it is not faithful.
package apiserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"go.etcd.io/etcd/server/v3/embed"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// PodLogs opens the log of a pod's container as the options ask for it. It ends with ctx when the log is followed.
type PodLogs func(ctx context.Context, namespace, pod, container string, o *corev1.PodLogOptions) (io.ReadCloser, error)

// Options say how a server runs. The zero value is complete.
type Options struct {
	// StateDir is where the server keeps its data and the kubeconfig. It is made if missing, and what the server puts
	// there is removed at Stop. Empty means a new directory under os.TempDir.
	StateDir string
	// Address is where it listens, within 127.0.0.0/8. Empty means a free port of 127.0.0.1.
	Address string
	// Logger receives what the Kubernetes libraries log. The first server of a process sets it for all, since klog has
	// one logger a process. The zero value discards.
	Logger logr.Logger
	// ServiceNetwork is N of the network 127.N.0.0/16 that Services' addresses are of. Servers of one machine whose
	// nodes listen on these need different ones. 0 means 96.
	ServiceNetwork byte
	// PodLogs serves `kubectl logs`. Without it the log subresource answers 501.
	PodLogs PodLogs
	// Calls is told of every call once it is answered, of a watch once it has begun. Many tell it at once, and wait for it.
	Calls func(Call)
}

// Server is a running API server. It is ephemeral: each start is a new, empty cluster.
type Server struct {
	// Config is a client configuration with every right (group system:masters). Copy it before changing it.
	Config *rest.Config
	// Kubeconfig is the path of a kubeconfig of the same rights.
	Kubeconfig string

	log       logr.Logger
	gate      *gate
	etcd      *embed.Etcd
	tokens    *tokens
	remove    []string // paths to be removed at Stop
	stop      context.CancelFunc
	served    chan error
	parts     sync.WaitGroup // the controllers
	stopped   sync.Once
	partsStop context.CancelFunc
}

// Start runs a server and returns when it is ready: bootstrap roles, and the namespaces default, kube-system,
// kube-public and kube-node-lease with their ServiceAccounts, are there. ctx bounds the start alone; Stop ends the server.
func Start(ctx context.Context, o Options) (*Server, error) {
	quiet(o.Logger)
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.ServiceNetwork == 0 {
		o.ServiceNetwork = defaultServiceNetwork
	}
	s := &Server{log: o.Logger, served: make(chan error, 1)}
	if err := s.start(ctx, o); err != nil {
		s.Stop()
		return nil, fmt.Errorf("start the API server: %w", err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, o Options) error {
	socketDir, err := s.makeDirs(&o)
	if err != nil {
		return err
	}
	etcdDir := filepath.Join(o.StateDir, "etcd")
	s.Kubeconfig = filepath.Join(o.StateDir, "kubeconfig")
	s.remove = append(s.remove, etcdDir, s.Kubeconfig)
	if s.etcd, err = startEtcd(ctx, etcdDir, socketDir); err != nil {
		return err
	}
	if s.gate, err = openGate(o.Address, socketDir); err != nil {
		return err
	}
	b := &builder{options: o, gate: s.gate, etcdSocket: filepath.Join(socketDir, clientSocket)}
	if err := b.build(); err != nil {
		return err
	}
	s.tokens = b.tokens
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go func() { s.served <- b.run(runCtx) }()

	s.Config = b.adminConfig()
	if err := writeKubeconfig(s.Kubeconfig, s.Config); err != nil {
		return err
	}
	if err := s.waitReady(ctx); err != nil {
		return err
	}
	partsCtx, partsStop := context.WithCancel(context.WithoutCancel(ctx))
	s.partsStop = partsStop
	return s.startParts(ctx, partsCtx, b)
}

// makeDirs makes the state directory, and another one for sockets, whose paths have to stay under 108 bytes.
func (s *Server) makeDirs(o *Options) (socketDir string, err error) {
	if o.StateDir == "" {
		if o.StateDir, err = os.MkdirTemp("", "runnel-apiserver-"); err != nil {
			return "", err
		}
		s.remove = append(s.remove, o.StateDir)
	} else if err := os.MkdirAll(o.StateDir, 0o700); err != nil {
		return "", err
	}
	if socketDir, err = os.MkdirTemp("", "runnel-"); err != nil {
		return "", err
	}
	s.remove = append(s.remove, socketDir)
	return socketDir, nil
}

// readyPoll is how often a starting server is asked whether it is ready; it takes about half a second.
const readyPoll = 20 * time.Millisecond

func (s *Server) waitReady(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(s.Config)
	if err != nil {
		return err
	}
	var last error
	err = wait.PollUntilContextCancel(ctx, readyPoll, true, func(ctx context.Context) (bool, error) {
		select {
		case err := <-s.served:
			s.served <- err // Stop waits for it too
			return false, fmt.Errorf("it ended: %w", err)
		default:
		}
		_, last = client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Raw()
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait until it is ready: %w", errors.Join(err, last))
	}
	return nil
}

// Stop ends the server and removes its files; it takes about a second. Further calls do nothing.
func (s *Server) Stop() { s.stopped.Do(s.stopOnce) }

func (s *Server) stopOnce() {
	if s.partsStop != nil {
		s.partsStop()
		s.parts.Wait()
	}
	if s.gate != nil {
		s.gate.cut()
	}
	if s.stop != nil {
		s.stop()
		if err := <-s.served; err != nil {
			s.log.Error(err, "The API server ended with an error")
		}
	}
	if s.gate != nil {
		_ = s.gate.Close() // closed already if the server ran
	}
	if s.etcd != nil {
		s.etcd.Close()
	}
	for _, path := range s.remove {
		_ = os.RemoveAll(path) // a left-over temporary file harms nobody
	}
}

// Pause makes the server unreachable: its port is closed and every client's connection is cut. The server itself, with its
// controllers, goes on.
func (s *Server) Pause() error { return s.gate.pause() }

// Resume makes a paused server reachable again on the same port. It fails when another process has taken the port.
func (s *Server) Resume() error { return s.gate.resume() }

// RotateKey makes the server sign ServiceAccount tokens by a new key. Older keys stay published and their tokens valid.
func (s *Server) RotateKey() error { return s.tokens.keys.rotate() }

// DropOldKeys withdraws every key but the one that signs, and with them the tokens that they signed.
func (s *Server) DropOldKeys() { s.tokens.keys.dropOld() }

// accountTokenLifetime outlasts any test, and is not so long that its tokens look unlike a cluster's.
const accountTokenLifetime = 24 * time.Hour

// ServiceAccountConfig is a client configuration of an existing ServiceAccount, with a token for the API server that is
// good for 24 hours.
func (s *Server) ServiceAccountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	obj, err := s.tokens.accounts.Get(request.WithNamespace(ctx, namespace), name, &metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("token for ServiceAccount %s/%s: %w", namespace, name, err)
	}
	token, _, err := s.tokens.issue(tokenRequest{
		account: obj.(*corev1.ServiceAccount), audiences: []string{Issuer}, lifetime: accountTokenLifetime,
	})
	if err != nil {
		return nil, err
	}
	c := rest.CopyConfig(s.Config)
	c.BearerToken = token
	return c, nil
}

// quiet sends the Kubernetes libraries' log to a logger: they share one.
var quiet = func() func(logr.Logger) {
	var once sync.Once
	return func(l logr.Logger) { once.Do(func() { klog.SetLogger(l) }) }
}()
