package fanout

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

// paddingBytes fill the buffer of clients and middleboxes that pass nothing on before they have 2 KiB.
const paddingBytes = 2 << 10

// Retry draws the delay before a reader comes back, since browsers add no jitter of their own.
func (p *Pool) Retry() time.Duration {
	delay := p.settings.Load().Delay
	return delay + rand.N(delay)
}

// opening is the first text of a stream. On a gap runnel-open has no id: the cursor moves only together with the notice that
// follows.
func (r *reader) opening(begin Beginning) (text []byte) {
	o, format := begin.Opening, r.options.Format
	if begin.Padding {
		text = append(text, ":"+strings.Repeat(" ", paddingBytes)+"\n"...)
	}
	p := r.shard.pool
	if o.Reason != "" {
		p.observer.Gap(o.Reason)
	}
	if r.options.Quiet {
		return format.AppendHeartbeat(text) // so that the body begins at once
	}
	open := event.Control{Type: "runnel-open", ID: o.Cursor, Retry: p.Retry(), Data: event.AppendJSON(nil, struct {
		Resume      eventlog.Resume `json:"resume"`
		Cursor      string          `json:"cursor"`
		HeartbeatMs int64           `json:"heartbeatMs"`
		Topics      []string        `json:"topics"`
		Ignored     []string        `json:"ignored,omitempty"`
	}{o.Resume, o.Cursor.String(), r.interval().Milliseconds(), names(r.sub.Selectors()), begin.Ignored})}
	if o.Reason == "" {
		return format.AppendControl(text, open)
	}
	open.ID = event.ID{}
	text = format.AppendControl(text, open)
	return format.AppendControl(text, gap{Requested: begin.Requested, ResumedAt: o.Cursor, Reason: o.Reason, Topics: o.Lost}.control())
}

func names(selectors []event.Selector) (out []string) {
	for _, s := range selectors {
		out = append(out, s.String())
	}
	return out
}

// fill appends what the reader gets next: the next events, or a heartbeat when it is due. It says whether more events wait.
func (r *reader) fill(t *text, now instant) (more bool) {
	t.before = part{cursor: r.cursor, sent: r.sent}
	batch := r.sub.Read(r.cursor, batchBytes, t.entries[:0])
	t.entries = batch.Entries
	if len(batch.Lost) > 0 {
		if r.overflowed(); r.options.FailOnGap {
			return false
		}
		r.overflow(t, batch)
	}
	epoch := r.shard.pool.epoch()
	for _, e := range batch.Entries {
		t.event(e, r.options.Format, epoch)
		r.sent = e.Seq
	}
	r.cursor, r.complete = batch.Cursor, batch.Complete
	if len(t.bytes) == 0 && now >= r.heartbeatDue() {
		r.heartbeat(t)
	}
	return batch.More
}

// overflow appends the notice of a gap in mid-stream.
func (r *reader) overflow(t *text, batch eventlog.Batch) {
	at := event.ID{Epoch: r.shard.pool.epoch(), Seq: batch.Cursor}
	if len(batch.Entries) > 0 {
		at.Seq = batch.Entries[0].Seq - 1
	}
	r.shard.pool.observer.Gap(eventlog.ReasonOverflow)
	if r.options.Quiet {
		return
	}
	before := event.ID{Epoch: at.Epoch, Seq: r.cursor}
	r.sent = at.Seq
	notice := gap{Requested: before.String(), ResumedAt: at, Reason: eventlog.ReasonOverflow, Topics: batch.Lost}
	t.control(r.options.Format.AppendControl(nil, notice.control()), at.Seq, at.Seq)
}

// heartbeat appends what breaks a silence. A ping moves the reader's cursor when it has moved without an event of the reader's.
func (r *reader) heartbeat(t *text) {
	if !r.options.Pings || r.options.Quiet {
		t.control(r.options.Format.AppendHeartbeat(nil), r.cursor, r.sent)
		return
	}
	ping := event.Control{Type: "runnel-ping", Data: []byte("{}")}
	if r.cursor > r.sent {
		ping.ID, r.sent = event.ID{Epoch: r.shard.pool.epoch(), Seq: r.cursor}, r.cursor
	}
	t.control(r.options.Format.AppendControl(nil, ping), r.cursor, r.sent)
}

type gap struct {
	Requested string          `json:"requested"`
	ResumedAt event.ID        `json:"resumedAt"`
	Reason    eventlog.Reason `json:"reason"`
	Topics    []string        `json:"topics"`
}

func (g gap) control() event.Control {
	return event.Control{Type: "runnel-gap", ID: g.ResumedAt, Data: event.AppendJSON(nil, g)}
}

// closing is the last text of a stream; a quiet reader gets none.
func (r *reader) closing(reason Reason) []byte {
	if r.options.Quiet {
		return nil
	}
	return r.options.Format.AppendControl(nil, r.shard.pool.closing(reason))
}

// closing is the last event of a stream.
func (p *Pool) closing(reason Reason) event.Control {
	retry := p.Retry()
	return event.Control{Type: "runnel-close", Retry: retry, Data: event.AppendJSON(nil, struct {
		Reason    Reason `json:"reason"`
		Reconnect bool   `json:"reconnect"`
		RetryMs   int64  `json:"retryMs"`
	}{reason, reason != ReasonRemoved && reason != ReasonComplete, retry.Milliseconds()})}
}
