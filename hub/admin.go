package hub

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/peer"
)

// Status is what the admin port answers at /status.
type Status struct {
	// Stream that the hub serves.
	Stream config.Stream `json:"stream"`
	// ConfigHash names the configuration that the hub runs, by config.Hash.
	ConfigHash string `json:"configHash"`
	// ConfigVersion is the newest version of a configuration that the hub reads. It reads every version before it, too.
	ConfigVersion int `json:"configVersion"`
	// ConfigError says why a newer configuration was refused, or something that it refers to, or that the certificate has expired; empty
	// when the newest runs.
	ConfigError string `json:"configError,omitempty"`
	// Epoch and Seq are the id of the newest event.
	Epoch string `json:"epoch"`
	Seq   uint64 `json:"seq"`
	// Role is what the hub is to the other hubs of its stream: starting, leading (it appends), following (it passes on what is published to
	// who leads, and its readers get that one's events) or superseded (another one leads in another epoch). A hub alone leads.
	Role string `json:"role"`
	// Leader is the address of who leads, when it is another hub.
	Leader string `json:"leader,omitempty"`
	// Handover is how the last hand-over went; not there when there was none.
	Handover *Handover `json:"handover,omitempty"`
	// Draining is true while the hub closes its readers.
	Draining bool `json:"draining"`
	// Connections are the readers now.
	Connections int `json:"connections"`
	// ConnectionsLimit is how many readers there may be; 0 is any number.
	ConnectionsLimit int `json:"connectionsLimit"`
	// RetainedBytes is the memory of all retained events.
	RetainedBytes int64 `json:"retainedBytes"`
	// Topics are the declared ones, with how many events are retained for each.
	Topics []TopicStatus `json:"topics"`
	// RestartNeeded says what of the configuration only a hub that starts anew can carry out; empty is nothing.
	RestartNeeded string `json:"restartNeeded,omitempty"`
	// WatchError says why changes of the configuration, and of what it refers to, are noticed late; empty when they are watched for.
	WatchError string `json:"watchError,omitempty"`
	// Missing names what the hub waits for: references that are missing or of no use, and issuers' keys. The rest works.
	Missing []string `json:"missing,omitempty"`
}

// TopicStatus is a declared topic or pattern.
type TopicStatus struct {
	Name   string `json:"name"`
	Events int    `json:"events"`
}

// adminRoutes serves the admin port. Nothing here changes anything but what other hubs of the stream ask for.
func (h *Hub) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch waits := h.peers.notReady(); {
		case h.leaving.Load():
			writeText(w, http.StatusServiceUnavailable, "draining")
		case h.certificate != nil && !h.certificate.there():
			writeText(w, http.StatusServiceUnavailable, "no connection gets through: waiting for "+strings.Join(h.state.Load().withoutTLS, ", "))
		case waits != "":
			writeText(w, http.StatusServiceUnavailable, waits)
		default:
			writeText(w, http.StatusOK, "ok")
		}
	})
	if h.peers != nil {
		mux.Handle(peer.Prefix, h.peers.server)
	}
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, h.Status()) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.metrics.registry, promhttp.HandlerOpts{}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if port := h.portOf(r.URL.Path); !isProbed(r.URL.Path) && (port == subscribePort || port == publishPort) {
			h.misdirected(w, r, adminPort, "").write(w)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// Status returns what the hub does now.
func (h *Hub) Status() Status {
	s, head, usage := h.state.Load(), h.log.Head(), h.log.Usage()
	out := Status{
		Stream: s.config.Stream, ConfigHash: s.hash, ConfigVersion: config.Version, Epoch: head.Epoch, Seq: head.Seq, Draining: h.draining.Load(),
		Connections: h.pool.Readers(), ConnectionsLimit: s.connections, RetainedBytes: usage.Bytes,
	}
	role, leader, _ := h.peers.now()
	out.Role, out.Leader, out.Handover = string(role), leader.Address, h.peers.last()
	out.ConfigError, out.WatchError, out.Missing = h.configError(s), h.troubles.late(), s.missing()
	switch encrypted := h.certificate != nil; {
	case encrypted && s.config.TLS == nil:
		out.RestartNeeded = "tls is gone, and this hub goes on with it until it ends: a port does not change while it is open"
	case !encrypted && s.config.TLS != nil:
		out.RestartNeeded = "tls is new, and this hub goes on without it until it ends: a port does not change while it is open"
	}
	for _, r := range usage.Rules {
		out.Topics = append(out.Topics, TopicStatus{r.Selector, r.Events})
	}
	return out
}

func (h *Hub) configError(s *state) string {
	text := h.troubles.text()
	end := h.certificate.notAfter()
	if end.IsZero() || h.now().Before(end) || s.config.TLS == nil {
		return text
	}
	expired := fmt.Sprintf("%v: it expired on %s and clients refuse it: put a renewed one there", s.config.TLS.Certificate(), end.UTC().Format(time.RFC3339))
	if text == "" {
		return expired
	}
	return text + "; " + expired
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the client may be gone
}
