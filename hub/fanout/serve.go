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
	return p.Begin(sink, asked, begin).Run(ctx)
}

// Served is a reader that is served. Run must be called.
type Served struct {
	*reader
	sink Sink
	more bool   // events wait
	left Reason // empty while it is there
}

// Begin sends a reader its opening and what there is, for a Run that may be elsewhere: what begins a stream takes a far deeper stack than
// what goes on with it.
func (p *Pool) Begin(sink Sink, asked Reader, begin Beginning) *Served {
	w := &Served{reader: p.newReader(asked, begin), sink: sink}
	w.wake = make(chan struct{}, 1)
	p.enter(w.reader, asked.Until)
	w.left = w.turn(&begin)
	return w
}

// Run sends a reader its events, and returns when either side ends it.
func (w *Served) Run(ctx context.Context) Reason {
	for w.left == "" {
		if !w.more && !w.wait(ctx) {
			w.left = ReasonClient
			break
		}
		w.left = w.turn(nil)
	}
	w.shard.pool.observer.Ended(w.left)
	w.shard.pool.leave(w.reader)
	return w.left
}

// Refuse tells a reader of Server-Sent Events to come back later, one that is quiet by the delay alone, in a line that belongs to no event. It
// sends no opening: that would move the reader's cursor over what it missed.
func (p *Pool) Refuse(sink Sink, quiet bool) error {
	p.observer.Ended(ReasonOverloaded)
	if quiet {
		return sink.Write(event.AppendRetry(nil, p.Retry()))
	}
	return sink.Write(p.closing(ReasonOverloaded).Append(nil))
}

// turn sends what there is, and returns why the reader ends then, or nothing.
func (w *Served) turn(first *Beginning) Reason {
	if reason := w.barred(w.shard.pool.now()); reason != "" {
		return w.end(first, reason)
	}
	if err := w.step(first); err != nil {
		return w.failed(err)
	}
	if reason := w.over(w.shard.pool.now()); reason != "" {
		return w.end(nil, reason)
	}
	return ""
}

// wait for news, and for more to join it where that is asked for. It says whether the reader is still there.
func (w *Served) wait(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-w.wake:
	}
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
func (w *Served) step(first *Beginning) error {
	t := texts.Get().(*text)
	defer t.release()
	t.reset(w.chunked)
	if first != nil {
		t.raw(first.Head)
		t.control(w.opening(*first), w.cursor, w.sent)
	}
	if !w.more && first == nil {
		w.shard.catchUp(w.reader)
	}
	w.more = w.fill(t, w.shard.pool.now())
	if len(t.bytes) > 0 {
		if err := w.sink.Write(t.bytes); err != nil {
			return err
		}
		w.touch(w.shard.pool.now())
		w.taken += len(t.bytes)
		w.shard.pool.observer.Delivered(t.events, len(t.bytes))
	}
	w.caughtUp(w.more)
	return nil
}

func (w *Served) failed(err error) Reason {
	if errors.Is(err, ErrStuck) {
		return ReasonSlow
	}
	return ReasonClient
}

func (w *Served) end(first *Beginning, reason Reason) Reason {
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
