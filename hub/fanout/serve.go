package fanout

import (
	"context"
	"errors"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// Sink is the connection of one reader. Its methods are called by one goroutine at a time.
type Sink interface {
	// Write sends text of whole events and returns when the connection has taken it. It fails when the connection is gone, or
	// has taken nothing for as long as the sink allows.
	Write(text []byte) error
}

// ErrStuck is what a Sink's Write returns for a connection that has taken nothing for too long.
var ErrStuck = errors.New("connection takes nothing")

// Serve sends a reader its opening and then its events, and returns when either side ends it. The end that the hub decides is
// told to the reader.
func (p *Pool) Serve(ctx context.Context, sink Sink, asked Reader, begin Beginning) Reason {
	r := p.newReader(asked, begin)
	r.wake = make(chan struct{}, 1)
	p.enter(r, asked.Until)
	reason := (&writer{reader: r, sink: sink}).run(ctx, begin)
	p.observer.Ended(reason)
	p.leave(r)
	return reason
}

// Refuse tells a reader of Server-Sent Events to come back later, one that is quiet by the delay alone. It sends no opening: that
// would move the reader's cursor over what it missed.
func (p *Pool) Refuse(sink Sink, quiet bool) error {
	p.observer.Ended(ReasonOverloaded)
	if quiet {
		return sink.Write(event.AppendCursor(nil, event.ID{}, p.Retry()))
	}
	return sink.Write(p.closing(ReasonOverloaded).Append(nil))
}

// writer is the goroutine of a reader that is served.
type writer struct {
	*reader
	sink Sink
}

func (w *writer) run(ctx context.Context, begin Beginning) Reason {
	for first := &begin; ; first = nil {
		if reason := w.barred(w.shard.pool.now()); reason != "" {
			return w.end(first, reason)
		}
		more, err := w.step(first)
		if err != nil {
			return w.failed(err)
		}
		if reason := w.over(w.shard.pool.now()); reason != "" {
			return w.end(nil, reason)
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return ReasonClient
		case <-w.wake:
		}
		if !w.gather(ctx) {
			return ReasonClient
		}
	}
}

// gather waits for more events to join those that there are, and says whether the reader is still there.
func (w *writer) gather(ctx context.Context) bool {
	if w.options.Flush == 0 {
		return true
	}
	t := time.NewTimer(w.options.Flush)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// step writes what there is: the first text, the next events, or a heartbeat when it is due.
func (w *writer) step(first *Beginning) (more bool, err error) {
	t := texts.Get().(*text)
	defer t.release()
	t.reset(w.chunked)
	if first != nil {
		t.raw(first.Head)
		t.control(w.opening(*first), w.cursor, w.sent)
	}
	more = w.fill(t, w.shard.pool.now())
	if len(t.bytes) == 0 {
		return more, nil
	}
	if err := w.sink.Write(t.bytes); err != nil {
		return false, err
	}
	w.touch(w.shard.pool.now())
	w.shard.pool.observer.Delivered(t.events, len(t.bytes))
	return more, nil
}

func (w *writer) failed(err error) Reason {
	if errors.Is(err, ErrStuck) {
		return ReasonSlow
	}
	return ReasonClient
}

func (w *writer) end(first *Beginning, reason Reason) Reason {
	t := texts.Get().(*text)
	defer t.release()
	t.reset(w.chunked)
	if first != nil {
		t.raw(first.Head)
	}
	t.control(w.closing(reason), w.cursor, w.sent)
	t.end()
	if len(t.bytes) == 0 {
		return reason
	}
	if err := w.sink.Write(t.bytes); err != nil {
		return w.failed(err)
	}
	return reason
}
