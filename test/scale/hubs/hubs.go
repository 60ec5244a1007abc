// Package hubs stands in for the hubs of pods that are only faked ready: it answers on their addresses which configuration they
// have, as their admin port does, and takes up another one as a hub does behind a kubelet: when its pod changes.
package hubs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

// headerTimeout ends a question that does not come. The operator's takes a millisecond, and seconds on a slow and busy machine.
const headerTimeout = 2 * time.Minute

// Hubs are the stand-ins of all pods. Make one with New and have it told of every pod.
type Hubs struct {
	cache  client.Reader
	server *http.Server
	served sync.WaitGroup

	mu      sync.Mutex
	pods    map[types.UID]*hub
	running map[string]string // configuration hashes, by the host of the pod's address
	failure error
}

type hub struct {
	listener net.Listener
	host     string
}

// New makes stand-ins that read ConfigMaps from a cache.
func New(cache client.Reader) *Hubs {
	h := &Hubs{cache: cache, pods: map[types.UID]*hub{}, running: map[string]string{}}
	h.server = &http.Server{Handler: http.HandlerFunc(h.status), ReadHeaderTimeout: headerTimeout}
	return h
}

// Changed is told of a pod that is new or has changed. It takes up what the ConfigMap says now.
func (h *Hubs) Changed(ctx context.Context, pod *corev1.Pod) {
	stream, ip := pod.Labels[render.LabelInstance], pod.Status.PodIP
	if stream == "" || ip == "" || pod.DeletionTimestamp != nil {
		return
	}
	hash, err := h.written(ctx, client.ObjectKey{Namespace: pod.Namespace, Name: render.HubName(stream)})
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil && h.pods[pod.UID] == nil {
		err = h.listen(pod.UID, ip)
	}
	if err != nil {
		h.failure = errors.Join(h.failure, fmt.Errorf("stand-in of pod %s/%s: %w", pod.Namespace, pod.Name, err))
		return
	}
	if hash != "" {
		h.running[ip] = hash
	}
}

// written is the hash of the configuration that a stream's ConfigMap holds; empty if there is none any more.
func (h *Hubs) written(ctx context.Context, key client.ObjectKey) (string, error) {
	cm := &corev1.ConfigMap{}
	if err := h.cache.Get(ctx, key, cm); err != nil {
		if apierrors.IsNotFound(err) {
			return "", nil
		}
		return "", err
	}
	c, err := config.Decode([]byte(cm.Data[render.ConfigKey]))
	if err != nil {
		return "", err
	}
	return config.Hash(c), nil
}

func (h *Hubs) listen(uid types.UID, ip string) error {
	l, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(config.PortAdmin)))
	if err != nil {
		return err
	}
	h.pods[uid] = &hub{listener: l, host: ip}
	h.served.Go(func() { _ = h.server.Serve(l) }) // it ends with its listener
	return nil
}

// Gone is told of a pod that is no more.
func (h *Hubs) Gone(pod *corev1.Pod) {
	h.mu.Lock()
	defer h.mu.Unlock()
	gone := h.pods[pod.UID]
	if gone == nil {
		return
	}
	delete(h.pods, pod.UID)
	delete(h.running, gone.host)
	_ = gone.listener.Close()
}

// status answers what the operator reads of a hub's status.
func (h *Hubs) status(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	h.mu.Lock()
	hash := h.running[host]
	h.mu.Unlock()
	if hash == "" {
		http.Error(w, "the pod has no configuration yet", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"configHash":%q}`, hash) // who asks has gone
}

// Err is what went wrong until now, such as a port that another program has.
func (h *Hubs) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failure
}

// Close ends all stand-ins.
func (h *Hubs) Close() error {
	err := h.server.Close()
	h.served.Wait()
	return err
}
