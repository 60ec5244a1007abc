package fanout

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

const (
	// batchBytes is how much text is gathered for one write: enough to make the call's cost small, and all that a stuck
	// connection holds on to.
	batchBytes = 64 << 10
	// overflows in a row, without catching up between them, that make a reader a slow one.
	maxOverflows = 3
)

// ErrStuck is what a Sink's Write returns for a connection that has taken nothing for too long.
var ErrStuck = errors.New("connection takes nothing")

// Reader is what a connection asked for.
type Reader struct {
	// Sub reads what it chose. It stays the caller's.
	Sub *eventlog.Subscription
	// Opening is how Sub begins.
	Opening eventlog.Opening
	// Requested is the cursor that the reader gave, for its gap notice.
	Requested string
	// Until is when the reader's permission ends; the zero time is never.
	Until time.Time
	// Granted says whether the reader still has its permission, and is asked after each reload; nil is always.
	Granted func() bool
	// Heartbeat is the longest silence; zero is that of the settings.
	Heartbeat time.Duration
	// Pings sends heartbeats as events, so that a page can notice a connection that is dead in one direction.
	Pings bool
	// Quiet sends none of the hub's own events: a block with an id alone moves the cursor in place of an opening or a gap.
	Quiet bool
	// FailOnGap ends the connection in place of a gap in mid-stream.
	FailOnGap bool
	// Padding sends a comment of 2 KiB first, for clients that wait for so much.
	Padding bool
	// Format is how events are sent.
	Format event.Format
	// Flush is how long events are gathered before a write; zero is not at all.
	Flush time.Duration
}

// Serve sends a reader its opening and then its events, and returns when either side ends it. The end that the hub decides is
// told to the reader.
func (p *Pool) Serve(ctx context.Context, sink Sink, asked Reader) Reason {
	r := p.newReader(asked)
	p.readers.Add(1)
	defer p.readers.Add(-1)
	r.shard.add(r)
	defer r.shard.remove(r)
	// What was decided for all readers before this one was among them.
	if end := p.drained.Load(); end != nil {
		r.endAt(*end, ReasonDrain)
	}
	if !asked.Until.IsZero() {
		r.endAt(asked.Until, ReasonTokenExpired)
	}
	if r.removed() {
		r.endAt(time.Now(), ReasonRemoved)
	}
	reason := (&writer{reader: r, sink: sink, cursor: asked.Opening.Cursor}).run(ctx)
	p.observer.Ended(reason)
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

// writer is the goroutine of a reader.
type writer struct {
	*reader
	sink      Sink
	cursor    event.ID // everything up to it is sent
	sent      event.ID // the newest id that was sent
	overflows int
	complete  bool // nothing follows and nothing ever will
}

// scratch is what a writer needs only while it writes.
type scratch struct {
	text    []byte
	entries []*eventlog.Entry
}

var scratches = sync.Pool{New: func() any { return &scratch{} }}

func (w *writer) run(ctx context.Context) Reason {
	first := w.opening()
	for {
		// One that may no longer read is sent nothing more, not even what waited for it.
		if reason := w.ended(time.Now()); reason == ReasonRemoved || reason == ReasonTokenExpired {
			return w.end(reason)
		}
		more, err := w.step(first)
		first = nil
		if err != nil {
			return w.failed(err)
		}
		if reason := w.ended(time.Now()); reason != "" {
			return w.end(reason)
		}
		if w.complete {
			return w.end(ReasonComplete)
		}
		if w.overflows >= maxOverflows || w.overflows > 0 && w.asked.FailOnGap {
			return w.end(ReasonSlow)
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
	if w.asked.Flush == 0 {
		return true
	}
	t := time.NewTimer(w.asked.Flush)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// step writes what there is: the first text, the next events, or a heartbeat when it is due.
func (w *writer) step(first []byte) (more bool, err error) {
	s := scratches.Get().(*scratch)
	defer s.release()
	batch := w.asked.Sub.Read(w.cursor.Seq, batchBytes, s.entries[:0])
	s.entries = batch.Entries
	s.text = append(s.text[:0], first...)
	if len(batch.Lost) > 0 {
		if w.overflows++; w.asked.FailOnGap {
			return false, nil
		}
		s.text = w.overflow(s.text, batch)
	}
	for _, e := range batch.Entries {
		s.text = w.asked.Format.AppendEvent(s.text, e.Stored(w.cursor.Epoch))
		w.sent.Seq = e.Seq
	}
	w.cursor.Seq, w.complete = batch.Cursor, batch.Complete
	if len(s.text) == 0 && !time.Now().Before(w.heartbeatDue()) {
		s.text = w.heartbeat(s.text)
	}
	if len(s.text) > 0 {
		if err := w.sink.Write(s.text); err != nil {
			return false, err
		}
		w.touch(time.Now())
		w.pool.observer.Delivered(len(batch.Entries), len(s.text))
	}
	if !batch.More {
		w.overflows = 0
	}
	return batch.More, nil
}

func (w *writer) failed(err error) Reason {
	if errors.Is(err, ErrStuck) {
		return ReasonSlow
	}
	return ReasonClient
}

func (w *writer) end(reason Reason) Reason {
	if w.asked.Quiet {
		return reason
	}
	if err := w.sink.Write(w.asked.Format.AppendControl(nil, w.pool.closing(reason))); err != nil {
		return w.failed(err)
	}
	return reason
}

// release keeps the buffers for the next writer, unless one large event made them large.
func (s *scratch) release() {
	if cap(s.text) > 2*batchBytes {
		s.text = nil
	}
	clear(s.entries)
	scratches.Put(s)
}
