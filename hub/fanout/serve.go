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

// Serve sends a reader its opening and then its events, and returns when either side ends it. The end that the hub decides is
// told to the reader. The subscription stays the caller's.
func (p *Pool) Serve(ctx context.Context, sink Sink, sub *eventlog.Subscription, opening eventlog.Opening, requested string) Reason {
	r := p.newReader(sub)
	p.readers.Add(1)
	defer p.readers.Add(-1)
	r.shard.add(r)
	defer r.shard.remove(r)
	if end := p.drained.Load(); end != nil {
		r.endAt(*end, ReasonDrain)
	}
	reason := (&writer{reader: r, sink: sink, cursor: opening.Cursor.Seq}).run(ctx, opening, requested)
	p.observer.Ended(reason)
	return reason
}

// Refuse tells a reader to come back later. It sends no opening: that would move the reader's cursor over what it missed.
func (p *Pool) Refuse(sink Sink) error {
	p.observer.Ended(ReasonOverloaded)
	return sink.Write(p.close(nil, ReasonOverloaded))
}

// writer is the goroutine of a reader.
type writer struct {
	*reader
	sink      Sink
	cursor    uint64
	overflows int
}

// scratch is what a writer needs only while it writes.
type scratch struct {
	text    []byte
	entries []*eventlog.Entry
}

var scratches = sync.Pool{New: func() any { return &scratch{} }}

func (w *writer) run(ctx context.Context, opening eventlog.Opening, requested string) Reason {
	first := w.pool.open(nil, w.sub.Selectors(), opening)
	if opening.Reason != "" {
		w.pool.observer.Gap(opening.Reason)
		first = w.pool.gap(first, gap{Requested: requested, ResumedAt: opening.Cursor, Reason: opening.Reason, Topics: opening.Lost})
	}
	for {
		more, err := w.step(first)
		first = nil
		if err != nil {
			return w.failed(err)
		}
		if reason := w.ended(time.Now()); reason != "" {
			return w.end(reason)
		}
		if w.overflows >= maxOverflows {
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
	}
}

// step writes what there is: the first text, the next events, or a heartbeat when it is due.
func (w *writer) step(first []byte) (more bool, err error) {
	s := scratches.Get().(*scratch)
	defer s.release()
	batch := w.sub.Read(w.cursor, batchBytes, s.entries[:0])
	s.entries = batch.Entries
	s.text = append(s.text[:0], first...)
	if len(batch.Lost) > 0 {
		s.text = w.overflow(s.text, batch)
	}
	for _, e := range batch.Entries {
		s.text = append(s.text, e.Frame.Text()...)
	}
	if len(s.text) == 0 && !time.Now().Before(w.heartbeatDue()) {
		s.text = append(s.text, event.Heartbeat...)
	}
	if len(s.text) > 0 {
		if err := w.sink.Write(s.text); err != nil {
			return false, err
		}
		w.touch(time.Now())
		w.pool.observer.Delivered(len(batch.Entries), len(s.text))
	}
	w.cursor = batch.Cursor
	if !batch.More {
		w.overflows = 0
	}
	return batch.More, nil
}

func (w *writer) overflow(text []byte, batch eventlog.Batch) []byte {
	at := event.ID{Epoch: w.pool.log.Head().Epoch, Seq: batch.Cursor}
	if len(batch.Entries) > 0 {
		at.Seq = batch.Entries[0].Seq - 1
	}
	w.overflows++
	w.pool.observer.Gap(eventlog.ReasonOverflow)
	requested := event.ID{Epoch: at.Epoch, Seq: w.cursor}.String()
	return w.pool.gap(text, gap{Requested: requested, ResumedAt: at, Reason: eventlog.ReasonOverflow, Topics: batch.Lost})
}

func (w *writer) failed(err error) Reason {
	if errors.Is(err, ErrStuck) {
		return ReasonSlow
	}
	return ReasonClient
}

func (w *writer) end(reason Reason) Reason {
	if err := w.sink.Write(w.pool.close(nil, reason)); err != nil {
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
