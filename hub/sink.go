package hub

import (
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/runnel-dev/runnel/hub/fanout"
)

// sink is a reader's connection through net/http, whatever its version and encryption.
type sink struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	stall time.Duration
}

func newSink(w http.ResponseWriter, stall time.Duration) *sink {
	return &sink{w, http.NewResponseController(w), stall}
}

// Write implements fanout.Sink.
func (s *sink) Write(text []byte) error {
	if err := s.deadline(); err != nil {
		return err
	}
	_, err := s.w.Write(text)
	if err == nil {
		err = s.flush.Flush()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fanout.ErrStuck
	}
	if err != nil {
		return err
	}
	// HTTP/2 would end a stream at its deadline even while nothing is written.
	return s.flush.SetWriteDeadline(time.Time{})
}

// finish bounds what net/http still writes when the handler has returned.
func (s *sink) finish() { _ = s.deadline() }

func (s *sink) deadline() error { return s.flush.SetWriteDeadline(time.Now().Add(s.stall)) }
