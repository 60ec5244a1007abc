package hub

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
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
	// A publisher that sends nothing for long must not hold a connection. Not every connection has deadlines.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	var e *event.Event
	if raw {
		e, bad = h.readRaw(w, r, topic)
	} else {
		e, bad = h.readJSON(w, r)
	}
	if bad != nil {
		return bad
	}
	return h.publishEvent(w, who, e)
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

// publishEvent stores an event and answers its id.
func (h *Hub) publishEvent(w http.ResponseWriter, who auth.Publisher, e *event.Event) *problem {
	if err := event.ValidateTopic(e.Topic); err != nil {
		return refuse(http.StatusBadRequest, "topic_malformed", "%v", err)
	}
	if !who.MayPublish(e.Topic) {
		return refuse(http.StatusForbidden, "topic_not_granted", "%s may not publish to %s: grant it in spec.auth.publishers.serviceAccounts", who.Name, e.Topic)
	}
	switch err := e.Validate(); {
	case errors.Is(err, event.ErrData):
		return refuse(http.StatusUnsupportedMediaType, "data_not_utf8", "%v", err)
	case err != nil:
		return refuse(http.StatusUnprocessableEntity, "type_refused", "%v", err)
	}
	receipt, err := h.log.Append(e)
	if errors.Is(err, eventlog.ErrUndeclared) {
		return undeclared(err)
	}
	if err != nil {
		return refuse(http.StatusServiceUnavailable, "not_stored", "%v: nothing is stored, try again", err).later(retryNotReady)
	}
	h.metrics.published(receipt.Rule, len(e.Data))
	if e.Type == "error" || e.Type == "open" {
		w.Header().Set("Warning", `299 - "events of type `+e.Type+` also fire EventSource's own on`+e.Type+` handlers"`)
	}
	writeJSON(w, http.StatusOK, answer{ID: receipt.ID, Topic: e.Topic})
	return nil
}

// answer is what a publisher gets for a stored event.
type answer struct {
	ID        event.ID `json:"id"`
	Topic     string   `json:"topic"`
	Duplicate bool     `json:"duplicate"`
}

// readRaw makes an event of a body as it is, whatever its content type says.
func (h *Hub) readRaw(w http.ResponseWriter, r *http.Request, topic string) (*event.Event, *problem) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "malformed_query", "the query is malformed: percent-encode each value")
	}
	if bad := unknownParameters(values, r.Header); bad != nil {
		return nil, bad
	}
	limit := h.state.Load().config.Limits.EventBytes
	base64d := values.Get("encoding") == "base64"
	room := limit
	if base64d {
		room = int64(base64.StdEncoding.EncodedLen(int(limit))) + 2 // and a line end
	}
	data, bad := readBody(w, r, room, limit)
	if bad != nil {
		return nil, bad
	}
	if base64d {
		if data, bad = decodeBase64(strings.TrimSpace(string(data)), limit); bad != nil {
			return nil, bad
		}
	}
	typ := values.Get("type")
	if typ == "" {
		typ = r.Header.Get("Event-Type")
	}
	return &event.Event{Topic: topic, Type: typ, Data: data}, nil
}

// unknownParameters refuses what would otherwise be lost without a word.
func unknownParameters(values url.Values, header http.Header) *problem {
	for name := range values {
		if !slices.Contains([]string{"type", "encoding"}, name) {
			return refuse(http.StatusBadRequest, "parameter_unknown", "parameter %s is not known: write type or encoding", quote(name))
		}
	}
	if e := values.Get("encoding"); e != "" && e != "base64" {
		return refuse(http.StatusBadRequest, "encoding_unknown", "encoding %s is not known: write base64, or leave it out", quote(e))
	}
	for _, name := range []string{"Idempotency-Key", "Event-TTL"} {
		if header.Get(name) != "" {
			return refuse(http.StatusBadRequest, "header_unknown", "this hub does not offer %s: leave it out", name)
		}
	}
	return nil
}

// readBody reads at most room bytes. The limit is what the publisher is told.
func readBody(w http.ResponseWriter, r *http.Request, room, limit int64) ([]byte, *problem) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, room))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, refuse(http.StatusRequestEntityTooLarge, "event_too_large", "the event is larger than %d bytes: send less, or a link, or raise spec.limits.eventBytes", limit)
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "body_unreadable", "the body ended early or came too slowly: send it again")
	}
	return data, nil
}

func decodeBase64(text string, limit int64) ([]byte, *problem) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "base64_malformed", "the data is not base64: write the alphabet of RFC 4648, section 4, with padding")
	}
	if int64(len(data)) > limit {
		return nil, refuse(http.StatusRequestEntityTooLarge, "event_too_large", "the event has %d bytes, more than %d: send less, or a link, or raise spec.limits.eventBytes", len(data), limit)
	}
	return data, nil
}
