package hub

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

// retryNotReady is when a publisher shall try again while the hub cannot verify tokens yet: the operator brings keys within
// seconds of its start.
const retryNotReady = 5 * time.Second

// publishRoutes serves the publish port.
func (h *Hub) publishRoutes() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h.servePublish(w, r); err != nil {
			h.metrics.refusedPublish(err)
			err.write(w)
		}
	})
}

func (h *Hub) servePublish(w http.ResponseWriter, r *http.Request) *problem {
	// The server waits for a body before it answers, also when it is refused. HTTP/2 has no deadline here, and no wait.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	topic, raw := strings.CutPrefix(r.URL.Path, "/v1/topics/")
	if !raw && r.URL.Path != "/v1/publish" || raw && strings.Contains(topic, "/") {
		return refuse(http.StatusNotFound, "not_found", "there is nothing here: POST to /v1/topics/{topic} or /v1/publish")
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return refuse(http.StatusMethodNotAllowed, "method_not_allowed", "publishers POST; readers GET from the subscribe port")
	}
	who, bad := h.publisher(r)
	if bad != nil {
		return bad
	}
	if !raw {
		return h.publishDocuments(w, r, who)
	}
	e, bad := h.readRaw(w, r, topic)
	if bad != nil {
		return bad
	}
	stored, bad := h.store(who, e)
	if bad != nil {
		return bad
	}
	warn(w, e)
	writeJSON(w, http.StatusOK, stored)
	return nil
}

func (h *Hub) publisher(r *http.Request) (auth.Publisher, *problem) {
	who, err := h.state.Load().publishers.Authenticate(r.Header.Get("Authorization"))
	switch {
	case errors.Is(err, auth.ErrNotReady):
		return who, refuse(http.StatusServiceUnavailable, "not_ready", "%v: nothing is stored, try again", err).later(retryNotReady)
	case errors.Is(err, auth.ErrMissing):
		return who, refuse(http.StatusUnauthorized, "credential_missing", "%v", err)
	case err != nil:
		return who, refuse(http.StatusUnauthorized, "token_refused", "%v", err)
	}
	return who, nil
}

// answer is what a publisher gets for a stored event.
type answer struct {
	ID        event.ID `json:"id"`
	Topic     string   `json:"topic"`
	Duplicate bool     `json:"duplicate"`
}

// store checks an event and stores it. Its key counts for its publisher and topic alone.
func (h *Hub) store(who auth.Publisher, e *event.Event) (answer, *problem) {
	if bad := h.check(who, e); bad != nil {
		return answer{}, bad
	}
	if e.Key != "" {
		e.Key = who.Name + "\x00" + e.Topic + "\x00" + e.Key
	}
	receipt, err := h.log.Append(e)
	switch {
	case errors.Is(err, eventlog.ErrUndeclared):
		return answer{}, undeclared(err)
	case errors.Is(err, eventlog.ErrKeyReused):
		return answer{}, refuse(http.StatusUnprocessableEntity, "key_reused", "another event was sent with this id in the last two minutes: give each event an id of its own")
	case errors.Is(err, eventlog.ErrTooLarge):
		return answer{}, refuse(http.StatusRequestEntityTooLarge, "event_too_large", "%v: send less, or a link, or raise spec.retention.bytes", err)
	case err != nil:
		return answer{}, refuse(http.StatusServiceUnavailable, "not_stored", "%v: nothing is stored, try again", err).later(retryNotReady)
	}
	if receipt.Duplicate {
		h.metrics.duplicates.WithLabelValues(receipt.Rule).Inc()
	} else {
		h.metrics.published(receipt.Rule, len(e.Data))
	}
	return answer{ID: receipt.ID, Topic: e.Topic, Duplicate: receipt.Duplicate}, nil
}

// check finds what is wrong with an event, before anything is stored.
func (h *Hub) check(who auth.Publisher, e *event.Event) *problem {
	if err := event.ValidateTopic(e.Topic); err != nil {
		return refuse(http.StatusBadRequest, "topic_malformed", "%v", err)
	}
	if !who.MayPublish(e.Topic) {
		return refuse(http.StatusForbidden, "topic_not_granted", "%s may not publish to %s: grant it in spec.auth.publishers.serviceAccounts", who.Name, e.Topic)
	}
	switch err := e.Validate(); {
	case errors.Is(err, event.ErrData):
		return refuse(http.StatusUnsupportedMediaType, "data_not_utf8", "%v", err)
	case errors.Is(err, event.ErrKey):
		return refuse(http.StatusUnprocessableEntity, "id_refused", "%v", err)
	case err != nil:
		return refuse(http.StatusUnprocessableEntity, "type_refused", "%v", err)
	}
	return nil
}

// warn tells of what a browser will do with an event.
func warn(w http.ResponseWriter, e *event.Event) {
	if e.Type == "error" || e.Type == "open" {
		w.Header().Set("Warning", `299 - "events of type `+e.Type+` also fire EventSource's own on`+e.Type+` handlers"`)
	}
}
