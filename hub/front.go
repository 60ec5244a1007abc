package hub

import (
	"bytes"
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/http1"
)

// newFront puts a front before net/http where that is possible: on a port in clear text, on a system that has it. Otherwise it is nil. The
// options are what differs from port to port.
func (h *Hub) newFront(port portName, listener net.Listener, handler http1.Handler, o http1.Options) *http1.Front {
	if h.portable || h.certificate != nil {
		return nil
	}
	o.HeaderTimeout, o.IdleTimeout, o.WriteTimeout = h.headers, idleTimeout, h.body+h.stall
	o.KeepAlive, o.Closing, o.Panicked = probes(), h.leaving.Load, h.panicked
	o.Room = h.roomOfFront(port)
	o.Full = func() { h.acceptsNoMore(port) }
	o.Failed = func(err error) { h.cannotAccept(port, err) }
	f, err := http1.New(listener, handler, o)
	if err != nil {
		if !errors.Is(err, errors.ErrUnsupported) {
			h.logger.Warn("each connection takes a goroutine", "address", listener.Addr().String(), "error", err)
		}
		return nil
	}
	return f
}

func (h *Hub) errorLog() *log.Logger { return slog.NewLogLogger(h.logger.Handler(), slog.LevelDebug) }

// publishFront answers who sends a raw event or a document in its usual form, which are the usual ways to publish, without net/http. All
// other requests are passed on, and so are those that are refused for what they hold before anything has been counted for their publisher.
// Those that are refused for their credential are not: it would be verified twice.
type publishFront struct{ hub *Hub }

const (
	// rawPath is where raw events are sent to, followed by their topic.
	rawPath = "/v1/topics/"
	// documentPath is where documents are sent to.
	documentPath = "/v1/publish"
)

// Serve implements http1.Handler.
func (p publishFront) Serve(r *http1.Request, answers []byte) ([]byte, http1.Verdict) {
	h := p.hub
	topic, isRaw := bytes.CutPrefix(r.Path, []byte(rawPath))
	isRaw = isRaw && bytes.IndexByte(topic, '/') < 0
	isDocument := string(r.Path) == documentPath && mediaType(r.Header("Content-Type")) == typeJSON
	if !r.Post || !isRaw && !isDocument || r.Has("Content-Encoding") || !h.peers.appends() { // to decode or to pass events on takes time, which a loop has not
		return answers, http1.Pass
	}
	authorization := r.Header("Authorization")
	who, known := h.state.Load().publishers.Recall(authorization)
	if !known {
		if !h.forgeries.few() {
			return answers, http1.Pass
		}
		var bad *problem
		if who, bad = h.publisher(string(authorization)); bad != nil {
			h.forgeries.count(bad)
			return p.refuse(r, answers, bad)
		}
	}
	var e *event.Event
	if isRaw {
		e = p.raw(r, topic)
	} else {
		b := h.batch()
		defer h.release(b)
		e = p.document(r, b)
	}
	if e == nil || h.pace(who, 1) != nil {
		return answers, http1.Pass
	}
	bad := h.prepare(who, e)
	var stored answer
	if bad == nil {
		receipt, err := h.keep(e)
		if errors.Is(err, eventlog.ErrSealed) { // since a moment ago: the publisher's rate counts it twice
			return answers, http1.Pass
		}
		stored, bad = h.answerFor(who, e, receipt.ID, receipt.Duplicate, err)
	}
	if bad != nil { // which has been counted already, so that it cannot be said again
		return p.refuse(r, answers, bad)
	}
	var room [256]byte // for most
	body := append(stored.append(room[:0]), '\n')
	contentType := http1.Field{Name: "Content-Type", Value: typeJSON}
	if text := warning(e); text != "" {
		return r.AppendAnswer(answers, http.StatusOK, body, contentType, http1.Field{Name: "Warning", Value: text}), http1.Answered
	}
	return r.AppendAnswer(answers, http.StatusOK, body, contentType), http1.Answered
}

// refuse answers with a problem.
func (p publishFront) refuse(r *http1.Request, answers []byte, bad *problem) ([]byte, http1.Verdict) {
	p.hub.metrics.refusedPublish(bad)
	w := &response{header: http.Header{}}
	bad.write(w)
	return w.answer(r, answers), http1.Answered
}

// raw is the event that is sent as it is, and nil when it is refused. The log keeps nothing of the body.
func (p publishFront) raw(r *http1.Request, topic []byte) *event.Event {
	values, bad := readParameters(string(r.RawQuery))
	limit := p.hub.state.Load().config.Limits.MaxEventSize
	if bad != nil || int64(len(r.Body)) > rawRoom(values, limit) {
		return nil
	}
	e, bad := rawEvent(string(topic), values, func(name string) string { return string(r.Header(name)) }, r.Body, limit)
	if bad != nil {
		return nil
	}
	return e
}

// document is the event of a document, and nil when it is refused or of another form than usual.
func (p publishFront) document(r *http1.Request, b *batch) *event.Event {
	if !b.scanner.event(r.Body, p.hub.state.Load().config.Limits.MaxEventSize, &b.event) {
		return nil
	}
	return &b.event
}

// Rounded implements http1.Handler: readers are told once of all events that came at the same time.
func (p publishFront) Rounded() { p.hub.log.Announce() }

// subscribeFront lets readers in without net/http. What only net/http can do is passed on: to wait for an issuer's keys, other methods than
// GET, other paths than a stream's, writes that are gathered.
type subscribeFront struct {
	hub *Hub
	// unwaiting is the context of who may not wait for anything.
	unwaiting context.Context
}

func newSubscribeFront(h *Hub) subscribeFront {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return subscribeFront{h, ctx}
}

// Serve implements http1.Handler.
func (s subscribeFront) Serve(r *http1.Request, answers []byte) ([]byte, http1.Verdict) {
	if r.Post {
		return answers, http1.Pass
	}
	request, err := r.HTTP()
	if err != nil {
		return answers, http1.Pass
	}
	w := &direct{response: response{header: http.Header{}}, take: r.Take}
	bad := s.hub.serveSubscribe(w, request.WithContext(s.unwaiting))
	switch {
	case w.taken:
		return answers, http1.Taken
	case bad == passOn:
		return answers, http1.Pass
	case bad != nil:
		s.hub.metrics.refusedSubscribe(bad)
		bad.write(w)
	}
	return w.answer(r, answers), http1.Answered
}

// Rounded implements http1.Handler.
func (s subscribeFront) Rounded() {}

// direct is an answer that net/http does not write, to a request whose socket can be taken.
type direct struct {
	response
	take  func() (fd int, ok bool)
	taken bool
}

// passOn stands for an answer that is left to net/http. Nothing may have been counted or said before.
var passOn = &problem{}
