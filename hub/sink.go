package hub

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
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

// gathered is an answer that ends at once.
type gathered struct{ io.Writer }

// Write implements fanout.Sink.
func (g gathered) Write(text []byte) error {
	_, err := g.Writer.Write(text)
	return err
}

// Write implements fanout.Sink. Each piece has the whole time, so that a slow connection gets through large events.
func (s *sink) Write(text []byte) error {
	for piece := range slices.Chunk(text, fanout.PieceBytes) {
		if err := s.writePiece(piece); err != nil {
			return err
		}
	}
	// HTTP/2 would end a stream at its deadline even while nothing is written.
	return s.flush.SetWriteDeadline(time.Time{})
}

func (s *sink) writePiece(piece []byte) error {
	if err := s.deadline(); err != nil {
		return err
	}
	_, err := s.w.Write(piece)
	if err == nil {
		err = s.flush.Flush()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fanout.ErrStuck
	}
	return err
}

// finish bounds what net/http still writes when the handler has returned.
func (s *sink) finish() { _ = s.deadline() }

func (s *sink) deadline() error { return s.flush.SetWriteDeadline(time.Now().Add(s.stall)) }
