// Package sse is a reader of Server-Sent Events for tests and the demo: it parses as HTML's section 9.2.6 says, and leaves
// reconnecting to its caller, so that a test sees each connection.
package sse

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"
)

// problemBytes is how much of a refusal's body is kept for its error.
const problemBytes = 4 << 10

// Event is one block of a stream.
type Event struct {
	// Type is `message` if the block names none. It is empty if the block has no data: a browser dispatches no such event, but
	// keeps the id.
	Type string
	// ID is the last event id as of this block: the block's own, or that of the last block that had one.
	ID   string
	Data string
	// Retry is the reconnection time that the block sets; nil if it sets none.
	Retry *time.Duration
}

// Header changes a request before it is sent.
type Header func(http.Header)

// LastEventID asks to resume after the event of an id; an empty one asks for nothing.
func LastEventID(id string) Header {
	return func(h http.Header) {
		if id != "" {
			h.Set("Last-Event-ID", id)
		}
	}
}

// With sets any header.
func With(name, value string) Header { return func(h http.Header) { h.Set(name, value) } }

// StatusError is an answer that is not a stream. A browser would not reconnect after it.
type StatusError struct {
	Status int
	// ContentType and Body, of which at most 4 KiB are kept, are those of the answer.
	ContentType, Body string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("not a stream: status %d, %s: %s", e.Status, e.ContentType, strings.TrimSpace(e.Body))
}

// Stream is one connection. One goroutine may call Next at a time; Close may be called by any.
type Stream struct {
	// Answer holds the answer's headers.
	Answer http.Header

	cancel context.CancelFunc
	events chan Event
	done   chan struct{} // closed when err is set
	err    error
	last   string
	mu     sync.Mutex // guards last
}

// Open connects, and returns once the answer's headers are there. Ending ctx ends the connection. Any answer but 200 with
// text/event-stream is a *StatusError. Each connection has a TCP connection of its own.
func Open(ctx context.Context, url string, headers ...Header) (*Stream, error) {
	return OpenBy(ctx, &http.Transport{DisableKeepAlives: true, DisableCompression: true}, url, headers...)
}

// OpenBy is Open by a transport of the caller's, which trusts a certificate for instance.
func OpenBy(ctx context.Context, transport http.RoundTripper, url string, headers ...Header) (*Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Cache-Control", "no-store")
	for _, set := range headers {
		set(request.Header)
	}
	answer, err := (&http.Client{
		Transport: transport,
		// A hub must never redirect: a browser would reconnect to the target for ever.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}).Do(request)
	if err != nil {
		cancel()
		return nil, err
	}
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if answer.StatusCode != http.StatusOK || kind != "text/event-stream" {
		defer cancel()
		defer func() { _ = answer.Body.Close() }()
		body, _ := io.ReadAll(io.LimitReader(answer.Body, problemBytes)) // what there is of it
		return nil, &StatusError{Status: answer.StatusCode, ContentType: kind, Body: string(body)}
	}
	s := &Stream{
		Answer: answer.Header, cancel: cancel,
		events: make(chan Event), done: make(chan struct{}),
		last: request.Header.Get("Last-Event-ID"),
	}
	go s.read(ctx, answer.Body)
	return s, nil
}

func (s *Stream) read(ctx context.Context, body io.ReadCloser) {
	defer close(s.done)
	defer func() { _ = body.Close() }()
	for p := newParser(body, s.last); ; {
		e, err := p.next()
		if err != nil {
			s.err = err
			return
		}
		select {
		case s.events <- e:
		case <-ctx.Done():
			s.err = ctx.Err()
			return
		}
	}
}

// Next returns the next event. At a clean end of the stream, that is the chunked body's terminator, the error is io.EOF; after a
// cut it is another, such as io.ErrUnexpectedEOF. The end of ctx ends the wait and not the connection.
func (s *Stream) Next(ctx context.Context) (Event, error) {
	select {
	case e := <-s.events:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.last = e.ID
		return e, nil
	case <-s.done:
		return Event{}, s.err
	case <-ctx.Done():
		return Event{}, fmt.Errorf("no event: %w", context.Cause(ctx))
	}
}

// LastEventID is the id to resume after: that of the last event that Next returned, or the one that Open sent.
func (s *Stream) LastEventID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Close cuts the connection and waits until its goroutine has ended. It may be called more than once.
func (s *Stream) Close() {
	s.cancel()
	<-s.done
}
