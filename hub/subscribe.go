package hub

import (
	"net/http"
	"strings"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/fanout"
)

// subscribeRoutes serves the subscribe port. It never redirects: browsers come back to the last URL for ever.
func (h *Hub) subscribeRoutes() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h.serveSubscribe(w, r); err != nil {
			skipContent(r)
			h.metrics.refusedSubscribe(err)
			err.write(w)
		}
	})
}

func (h *Hub) serveSubscribe(w http.ResponseWriter, r *http.Request) *problem {
	if r.URL.Path == ticketsPath {
		return h.serveTickets(w, r)
	}
	if r.ContentLength != 0 {
		skipSoon(w) // unless it is read below
	}
	if answerProbe(w, r, "This is the subscribe port of a Runnel hub: GET /v1/events?topic=...") {
		return nil
	}
	if bad := h.checkOrigin(w, r); bad != nil {
		return bad
	}
	topic, single := singleTopic(r.URL.Path)
	if !single && r.URL.Path != eventsPath || single && topic == "" {
		return h.misdirected(w, r, subscribePort, "read /v1/events?topic=… or /v1/topics/{topic}/events")
	}
	methods := "GET, HEAD"
	if !single {
		methods = "GET, HEAD, POST, " + methodQuery
	}
	p, bad := &parameters{}, (*problem)(nil)
	switch {
	case r.Method == http.MethodOptions:
		preflight(w, methods)
		return nil
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		bad = h.refuseContent(w, r)
	case !single && (r.Method == http.MethodPost || r.Method == methodQuery):
		bad = h.addContent(w, r, p)
	default:
		w.Header().Set("Allow", methods+", OPTIONS")
		return refuse(http.StatusMethodNotAllowed, "method_not_allowed", "subscribers use %s here; publishers POST to the publish port", methods)
	}
	if bad != nil {
		return bad
	}
	w.Header().Add("Vary", "Accept")
	mediaType, ok := negotiate(r.Header.Values("Accept"))
	if !ok {
		return refuse(http.StatusNotAcceptable, "not_acceptable", "this is %s, or %s for who asks for it: accept one of them, or */*", typeEventStream, typeLines)
	}
	p.addURL(r.URL.RawQuery, topic) // after the content: the cursor that a library appends to the URL is the newer one
	q, bad := p.query(r.Header)
	if bad != nil {
		return bad
	}
	q.asked.Format.Lines = mediaType == typeLines
	return h.stream(w, r, q)
}

// singleTopic takes the topic out of /v1/topics/{topic}/events.
func singleTopic(path string) (topic string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/v1/topics/")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "/events")
}

// stream answers 200 and serves the reader until either side ends it.
func (h *Hub) stream(w http.ResponseWriter, r *http.Request, q query) *problem {
	admitted, bad := h.letIn(w, r, q)
	if bad != nil {
		return h.turnAway(w, r, q, bad)
	}
	attached := false
	defer func() {
		if !attached {
			admitted.leave()
		}
	}()
	if bad := h.waitFor(w, r, q); bad != nil {
		return h.turnAway(w, r, q, bad)
	}
	sub, opening, err := h.log.Subscribe(q.selectors, q.start)
	if err != nil {
		return h.undeclaredTo(admitted.who, err) // since a moment ago
	}
	if opening.Reason != "" && q.asked.FailOnGap {
		return gone(opening)
	}
	header := h.header(w, r, q)
	header.Set("Runnel-Resume", string(opening.Resume))
	header.Set("Runnel-Cursor", opening.Cursor.String())
	_, byFront := w.(*direct)
	if opening.Complete && byFront {
		return passOn // since this answer has no length
	}
	if opening.Complete {
		header.Del("Content-Type")
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	admitted.sub = sub
	q.asked.Sub, q.asked.Until, q.asked.Owner = sub, admitted.who.Until(), admitted
	q.begin.Opening, q.begin.Requested = opening, q.start.Cursor
	if q.asked.Format.CloudEvents {
		stream := h.state.Load().config.Stream
		q.asked.Format.Source = "/namespaces/" + stream.Namespace + "/eventstreams/" + stream.Name
	}
	if attached = h.attach(w, r, q) || h.converse(w, r, q); attached {
		return nil
	}
	if byFront {
		return passOn
	}
	sink := newSink(w, h.stall)
	defer sink.finish()
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	admitted.say(h.pool.Serve(r.Context(), sink, q.asked, q.begin))
	return nil
}

// header sets the headers of a stream.
func (h *Hub) header(w http.ResponseWriter, r *http.Request, q query) http.Header {
	header := w.Header()
	header.Set("Content-Type", typeEventStream+"; charset=utf-8")
	if q.asked.Format.Lines {
		header.Set("Content-Type", typeLines)
	}
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no")
	if r.ProtoMajor == 1 {
		header.Set("Connection", "close")
	}
	return header
}

// gone tells a program that asked for it that events are lost, and where to go on.
func gone(o eventlog.Opening) *problem {
	return refuse(http.StatusGone, "gap", "events of %s after your cursor are gone (%s): fetch the state anew and go on with last_event_id=%s",
		strings.Join(o.Lost, ", "), o.Reason, o.Cursor)
}

// query is what a reader asks for.
type query struct {
	selectors []event.Selector
	start     eventlog.Start
	asked     fanout.Reader
	begin     fanout.Beginning
	// ticket and token are credentials of the query; empty is none.
	ticket, token string
}
