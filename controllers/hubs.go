package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/controllers/apply"
	"github.com/runnel-dev/runnel/hub/config"
)

const (
	// hubTimeout bounds one request to a hub's admin port, as the kubelet's probes of that port are bounded: a busy node may take
	// seconds, but no worker may wait long for a hub that is cut off.
	hubTimeout = 3 * time.Second
	// hubAnswerBytes bounds its answer, of which a few hundred bytes are used.
	hubAnswerBytes = 1 << 20

	// startingRole is the role of a hub that has not begun and has not taken over.
	startingRole = "starting"

	// nudgeAnnotation of a pod changes when its kubelet shall renew its mounted files.
	nudgeAnnotation = "runnel.dev/config-hash"
)

// HubStatus is what the operator reads of a hub's status.
type HubStatus struct {
	// ConfigHash names the configuration that the hub runs, as config.Hash does.
	ConfigHash string `json:"configHash"`
	// ConfigVersion is the newest version of a configuration that the hub reads.
	ConfigVersion int `json:"configVersion"`
	// ConfigError is why the hub does not run the newest file; empty if it does.
	ConfigError string `json:"configError"`
	// RestartNeeded says what of the configuration only a hub that starts anew can carry out; empty is nothing.
	RestartNeeded string `json:"restartNeeded"`
	// WatchError says why the hub notices changes late; empty when it notices them at once.
	WatchError string `json:"watchError"`
	// Role is what the hub is to the stream's other hubs.
	Role string `json:"role"`
	// Missing names what the hub waits for, such as "Secret shop-ci, key token"; it runs without meanwhile.
	Missing []string `json:"missing"`
}

// HubReader asks a hub for its status. It is called by many at once and returns within 3 s.
type HubReader interface {
	Read(ctx context.Context, podIP string) (HubStatus, error)
}

// AdminPort is the HubReader that asks a pod's admin port.
type AdminPort struct{ http *http.Client }

// NewAdminPort makes an AdminPort. It uses no proxy, since pods are near, and keeps no connection open between questions, of
// which there are few for each hub.
func NewAdminPort() *AdminPort {
	return &AdminPort{http: &http.Client{
		Timeout:   hubTimeout,
		Transport: &http.Transport{DisableKeepAlives: true},
		// A pod must not send the operator elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Read asks the hub at podIP.
func (a *AdminPort) Read(ctx context.Context, podIP string) (HubStatus, error) {
	return a.read(ctx, net.JoinHostPort(podIP, strconv.Itoa(config.PortAdmin)))
}

func (a *AdminPort) read(ctx context.Context, address string) (s HubStatus, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		return s, err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return s, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read; nothing depends on its close
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("%s answered %s", req.URL, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, hubAnswerBytes)).Decode(&s); err != nil {
		return s, fmt.Errorf("%s: %w", req.URL, err)
	}
	if s.ConfigHash == "" {
		return s, fmt.Errorf("%s names no configHash", req.URL)
	}
	return s, nil
}

// nudge has the pod's kubelet renew the mounted files now, and not within its minute, by a change of the pod. It goes through
// pods/status, by which nobody can change a pod's spec.
func (r *Reconciler) nudge(ctx context.Context, pod *corev1.Pod, value string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":         pod.UID, // not a pod that took its name
		"annotations": map[string]string{nudgeAnnotation: value},
	}})
	if err != nil {
		return err
	}
	err = r.Client.Status().Patch(ctx, pod.DeepCopy(), client.RawPatch(types.MergePatchType, patch), apply.FieldOwner)
	if err != nil {
		return client.IgnoreNotFound(fmt.Errorf("nudge of pod %s: %w", pod.Name, err))
	}
	return nil
}
