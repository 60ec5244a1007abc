package peer

import (
	"context"
	"net/http"
	"time"

	"github.com/runnel-dev/runnel/hub/eventlog"
)

const (
	// recordsAtOnce is how many records are read from a log at once, and frameText about how much text a frame of them has.
	recordsAtOnce = 1024
	frameText     = 256 << 10
)

// serveLog sends a log's records as they come, until the asker is gone or the log is over.
func (s *Server) serveLog(w http.ResponseWriter, r *http.Request) {
	q, err := readLogRequest(r.URL.Query())
	if err != nil {
		s.answer(w, nil, Refuse(CodeMalformed, "%v", err))
		return
	}
	source, err := s.find(r.Context(), q)
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	defer source.Close()
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Time{}) // of the request, which has come
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusOK)
	out := &logWriter{frames: frameWriter{codec: s.codec, to: w}, connection: connection, source: source}
	if err := out.run(r.Context()); err != nil && r.Context().Err() == nil {
		s.logger.Info("a peer no longer copies the log", "peer", q.By.Address, "error", err)
	}
}

// find waits a bounded time for a log.
func (s *Server) find(ctx context.Context, q LogRequest) (Source, error) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	return s.host.Log(ctx, q)
}

// logWriter sends a log to a peer.
type logWriter struct {
	frames     frameWriter
	connection *http.ResponseController
	source     Source
	room       []eventlog.Record
}

func (l *logWriter) run(ctx context.Context) error {
	epoch, seq := l.source.Begin()
	if err := l.frames.write(kindBegin, begin{epoch, seq}); err != nil {
		return err
	}
	life := time.NewTicker(SignOfLife)
	defer life.Stop()
	for synced := false; ; {
		leader, over := l.source.Over() // before the records, which are all then
		if err := l.records(ctx); err != nil {
			return err
		}
		if !synced || over {
			if err := l.synced(); err != nil {
				return err
			}
			synced = true
		}
		if over {
			return l.frames.write(kindEnd, end{leader})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.source.News():
		case <-life.C:
			synced = false
		}
	}
}

// records sends all there are.
func (l *logWriter) records(ctx context.Context) error {
	for more := true; more && ctx.Err() == nil; {
		l.room, more = l.source.Next(recordsAtOnce, l.room[:0])
		_ = l.connection.SetWriteDeadline(time.Now().Add(Silence))
		for rest := l.room; len(rest) > 0; {
			n := fit(rest)
			if err := l.frames.write(kindRecords, records{rest[:n]}); err != nil {
				return err
			}
			rest = rest[n:]
		}
		clear(l.room)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.connection.Flush()
}

// fit says how many of the next records a frame has: one at least, however large.
func fit(rest []eventlog.Record) int {
	text := 0
	for i, r := range rest {
		if r.Event != nil {
			text += len(r.Event.Frame.Chunk) + len(r.Event.Frame.Data) + len(r.Event.Frame.Attributes)
		}
		if text > frameText && i > 0 {
			return i
		}
	}
	return len(rest)
}

func (l *logWriter) synced() error {
	_ = l.connection.SetWriteDeadline(time.Now().Add(Silence))
	if err := l.frames.write(kindSynced, l.source.Position()); err != nil {
		return err
	}
	return l.connection.Flush()
}
