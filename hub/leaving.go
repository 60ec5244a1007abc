package hub

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// queuePoll is how often the hub looks whether all connections are accepted, and whether all are gone.
const queuePoll = time.Millisecond

// lastRequests accepts no more connections, and answers what those that there are were about to send. Connections that wait to be accepted
// come first: a listener that is closed resets them.
func (h *Hub) lastRequests(ports []port) (err error) {
	h.leaving.Store(true)
	for _, p := range ports {
		for giveUp := time.Now().Add(h.last); queued(p.socket) > 0 && time.Now().Before(giveUp); {
			time.Sleep(queuePoll)
		}
		err = errors.Join(err, p.stopAccepting())
	}
	open := func(p port) bool { return p.open() > 0 }
	for giveUp := time.Now().Add(h.last); slices.ContainsFunc(ports, open) && time.Now().Before(giveUp); {
		time.Sleep(queuePoll)
	}
	return err
}

// closing makes every answer end its connection while the hub is leaving, so that publishers change to another hub before this one ends: a
// client whose connection ends between two requests cannot know whether the second one arrived. In HTTP/1 the answer says so (RFC 9112,
// section 9.6); in HTTP/2, net/http sends a GOAWAY, and the other requests of the connection are answered.
func (h *Hub) closing(routes http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last := &closingWriter{ResponseWriter: w, leaving: &h.leaving}
		routes.ServeHTTP(last, r)
		last.begin() // an answer that the handler has left to net/http
	})
}

// closingWriter decides when an answer begins, since its request may have come long before the hub leaves.
type closingWriter struct {
	http.ResponseWriter
	leaving *atomic.Bool
	begun   bool
}

func (w *closingWriter) begin() {
	if !w.begun && w.leaving.Load() {
		w.Header().Set("Connection", "close")
	}
	w.begun = true
}

// WriteHeader implements http.ResponseWriter.
func (w *closingWriter) WriteHeader(status int) {
	w.begin()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *closingWriter) Write(b []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(b)
}

// Unwrap serves http.ResponseController.
func (w *closingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// limited is http.MaxBytesReader, which needs to know net/http's own writer to end a connection whose request is too long.
func limited(w http.ResponseWriter, body io.ReadCloser, most int64) io.ReadCloser {
	if last, ok := w.(*closingWriter); ok {
		w = last.ResponseWriter
	}
	return http.MaxBytesReader(w, body, most)
}
