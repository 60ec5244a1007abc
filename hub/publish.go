package hub

import (
	"errors"
	"net/http"
	"strconv"
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
			skipContent(r)
			h.metrics.refusedPublish(err)
			err.write(w)
		}
	})
}

// publishing answers a request of a publisher.
type publishing func(w http.ResponseWriter, r *http.Request, who auth.Publisher) *problem

func (h *Hub) servePublish(w http.ResponseWriter, r *http.Request) *problem {
	// The server waits for a body before it answers, also when it is refused. HTTP/2 has no deadline here, and no wait.
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Now().Add(h.body))
	_ = connection.SetWriteDeadline(time.Now().Add(h.body + h.stall)) // for who does not read its answers
	if answerProbe(w, r, "This is the publish port of a Runnel hub: POST /v1/topics/{topic}") {
		return nil
	}
	get, post := h.publishRoute(r.URL.Path)
	var serve publishing
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		serve = get
	case http.MethodPost:
		serve = post
	}
	if serve == nil {
		return h.refusePublishRoute(w, r, get != nil || isProbed(r.URL.Path), post != nil)
	}
	who, bad := h.publisher(r.Header.Get("Authorization"))
	if bad == nil && r.Method != http.MethodPost {
		bad = h.refuseContent(w, r)
	}
	if bad != nil {
		return bad
	}
	return serve(w, r, who)
}

// refusePublishRoute refuses a request that no route takes, and says which methods its path takes.
func (h *Hub) refusePublishRoute(w http.ResponseWriter, r *http.Request, get, post bool) *problem {
	allow := "POST"
	switch {
	case !get && !post:
		return h.misdirected(w, r, publishPort, "POST to /v1/topics/{topic}, /v1/publish or /v1/cloudevents")
	case !post:
		allow = "GET, HEAD"
	case get:
		allow = "GET, HEAD, POST"
	}
	w.Header().Set("Allow", allow)
	return refuse(http.StatusMethodNotAllowed, "method_not_allowed", "publishers use %s here; subscribers GET from the subscribe port", allow)
}

// publishRoute says who answers GET and POST for a path; nil is nobody.
func (h *Hub) publishRoute(path string) (get, post publishing) {
	switch path {
	case "/", "/v1/cloudevents":
		return nil, h.publishCloudEvents
	case documentPath:
		return nil, h.publishDocuments
	case "/v1/topics":
		return h.listTopics, nil
	}
	collection, name, ok := strings.Cut(strings.TrimPrefix(path, "/v1/"), "/")
	topic, completes := strings.CutSuffix(name, "/complete")
	switch {
	case !ok || !strings.HasPrefix(path, "/v1/") || strings.Contains(topic, "/"):
		return nil, nil
	case collection == "cloudevents" && !completes:
		return nil, h.publishCloudEvents
	case collection == "topics" && completes:
		return nil, h.completing(topic)
	case collection == "topics":
		return h.describing(topic), h.publishing(topic)
	}
	return nil, nil
}

func (h *Hub) publishing(topic string) publishing {
	return func(w http.ResponseWriter, r *http.Request, who auth.Publisher) *problem {
		e, bad := h.readRaw(w, r, topic)
		if bad != nil {
			return bad
		}
		return h.answer(w, who, e)
	}
}

// answer stores one event and tells its publisher.
func (h *Hub) answer(w http.ResponseWriter, who auth.Publisher, e *event.Event) *problem {
	stored, bad := h.publishEvent(who, e)
	h.log.Announce()
	if bad != nil {
		return bad
	}
	warn(w, e)
	stored.write(w)
	return nil
}

// publishEvent stores one event at its publisher's pace.
func (h *Hub) publishEvent(who auth.Publisher, e *event.Event) (answer, *problem) {
	if bad := h.pace(who, 1); bad != nil {
		return answer{}, bad
	}
	return h.store(who, e)
}

// publisher says who sends an Authorization header, which is empty where there is none.
func (h *Hub) publisher(authorization string) (auth.Publisher, *problem) {
	who, err := h.state.Load().publishers.Authenticate(authorization)
	switch {
	case errors.Is(err, auth.ErrNotReady):
		return who, refuse(http.StatusServiceUnavailable, "not_ready", "%v: nothing is stored, try again", err).later(retryNotReady)
	case errors.Is(err, auth.ErrMissing):
		return who, refuse(http.StatusUnauthorized, credentialMissing, "%v", err)
	case err != nil:
		return who, refuse(http.StatusUnauthorized, tokenRefused, "%v", err)
	}
	return who, nil
}

// answer is what a publisher gets for a stored event.
type answer struct {
	ID        event.ID `json:"id"`
	Topic     string   `json:"topic"`
	Duplicate bool     `json:"duplicate"`
}

// append appends the answer as a JSON object. A topic that is valid holds nothing to escape.
func (a answer) append(b []byte) []byte {
	b = a.ID.Append(append(b, `{"id":"`...))
	b = append(append(b, `","topic":"`...), a.Topic...)
	b = strconv.AppendBool(append(b, `","duplicate":`...), a.Duplicate)
	return append(b, '}')
}

// line is the answer as the body of a response.
func (a answer) line() []byte {
	const room = 128 // for most
	return append(a.append(make([]byte, 0, room)), '\n')
}

// write answers a request.
func (a answer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", typeJSON)
	_, _ = w.Write(a.line()) // the publisher may be gone
}

// store checks an event and stores it, here or where events are stored now; who calls it announces the last one.
func (h *Hub) store(who auth.Publisher, e *event.Event) (answer, *problem) {
	if bad := h.prepare(who, e); bad != nil {
		return answer{}, bad
	}
	receipt, err := h.keep(e)
	if errors.Is(err, eventlog.ErrSealed) {
		stored, bad := h.storeElsewhere(who, []*event.Event{e})
		if bad != nil {
			return answer{}, bad
		}
		return stored[0], nil
	}
	return h.answerFor(who, e, receipt.ID, receipt.Duplicate, err)
}

// prepare checks an event that is about to be stored. Its id counts for its publisher and topic alone.
func (h *Hub) prepare(who auth.Publisher, e *event.Event) *problem {
	if bad := h.check(who, e); bad != nil {
		return bad
	}
	if e.ID != "" {
		e.ID = who.Name + "\x00" + e.Topic + "\x00" + e.ID
	}
	return nil
}

// keep stores a prepared event here. The error is the log's, of which eventlog.ErrSealed says that another hub stores events now.
func (h *Hub) keep(e *event.Event) (eventlog.Receipt, error) {
	receipt, err := h.log.Append(e)
	if err == nil {
		h.metrics.published(receipt.Rule, len(e.Data), receipt.Duplicate)
	}
	return receipt, err
}

// answerFor is what a publisher gets for what a log answered.
func (h *Hub) answerFor(who auth.Publisher, e *event.Event, id event.ID, duplicate bool, err error) (answer, *problem) {
	switch {
	case errors.Is(err, eventlog.ErrUndeclared):
		return answer{}, h.undeclared(e.Topic, mayPublish(who))
	case errors.Is(err, eventlog.ErrComplete):
		return answer{}, refuse(http.StatusConflict, "topic_complete", "%v: publish to another topic", err)
	case errors.Is(err, eventlog.ErrIDReused):
		return answer{}, refuse(http.StatusUnprocessableEntity, "key_reused", "another event was sent with this id in the last two minutes: give each event an id of its own")
	case errors.Is(err, eventlog.ErrTooLarge):
		return answer{}, refuse(http.StatusRequestEntityTooLarge, "event_too_large", "%v: send less, or a link, or raise spec.retention.bytes", err)
	case err != nil:
		return answer{}, notStored(err)
	}
	return answer{ID: id, Topic: e.Topic, Duplicate: duplicate}, nil
}

// storeAll stores events in their order up to the first that is refused, and announces those that it stored.
func (h *Hub) storeAll(who auth.Publisher, events []*event.Event) (stored []answer, bad *problem) {
	defer h.log.Announce()
	for i, e := range events {
		if bad := h.prepare(who, e); bad != nil {
			return stored, bad
		}
		receipt, err := h.keep(e)
		if errors.Is(err, eventlog.ErrSealed) { // since a moment ago, or before the first
			for _, later := range events[i+1:] {
				if bad := h.prepare(who, later); bad != nil {
					return stored, bad
				}
			}
			more, bad := h.storeElsewhere(who, events[i:])
			return append(stored, more...), bad
		}
		a, bad := h.answerFor(who, e, receipt.ID, receipt.Duplicate, err)
		if bad != nil {
			return stored, bad
		}
		stored = append(stored, a)
	}
	return stored, nil
}

// checkAll finds what is wrong with any of several events, before the first is stored.
func (h *Hub) checkAll(who auth.Publisher, events []*event.Event) *problem {
	for _, e := range events {
		if bad := h.check(who, e); bad != nil {
			return bad
		}
		if _, err := h.log.Topic(e.Topic); err != nil {
			return h.undeclared(e.Topic, mayPublish(who))
		}
	}
	return nil
}

// check finds what is wrong with an event, before anything is stored.
func (h *Hub) check(who auth.Publisher, e *event.Event) *problem {
	if err := event.ValidateTopic(e.Topic); err != nil {
		return refuse(http.StatusBadRequest, "topic_malformed", "%v", err)
	}
	if !who.MayPublish(e.Topic) {
		return h.mayNotPublish(who, e.Topic)
	}
	switch err := e.Validate(); {
	case errors.Is(err, event.ErrData):
		return refuse(http.StatusUnsupportedMediaType, "data_not_utf8", "%v", err)
	case errors.Is(err, event.ErrID):
		return refuse(http.StatusUnprocessableEntity, "id_refused", "%v", err)
	case errors.Is(err, event.ErrKey):
		return refuse(http.StatusUnprocessableEntity, "key_refused", "%v", err)
	case err != nil:
		return refuse(http.StatusUnprocessableEntity, "type_refused", "%v", err)
	}
	return nil
}

// warn tells of what a browser will do with an event.
func warn(w http.ResponseWriter, e *event.Event) {
	if text := warning(e); text != "" {
		w.Header().Set("Warning", text)
	}
}

// warning is the value of the Warning header for an event; empty is none.
func warning(e *event.Event) string {
	if e.Type == "error" || e.Type == "open" {
		return `299 - "events of type ` + e.Type + ` also fire EventSource's own on` + e.Type + ` handlers"`
	}
	return ""
}
