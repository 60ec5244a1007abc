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
func (w *writer) opening() (text []byte) {
	o, asked := w.asked.Opening, &w.asked
	w.sent = o.Cursor
	if asked.Padding {
		text = append(text, ":"+strings.Repeat(" ", paddingBytes)+"\n"...)
	}
	if o.Reason != "" {
		w.pool.observer.Gap(o.Reason)
	}
	if asked.Quiet {
		return asked.Format.AppendCursor(text, o.Cursor, w.pool.Retry())
	}
	open := event.Control{Type: "runnel-open", ID: o.Cursor, Retry: w.pool.Retry(), Data: event.AppendJSON(nil, struct {
		Resume      eventlog.Resume `json:"resume"`
		Cursor      string          `json:"cursor"`
		HeartbeatMs int64           `json:"heartbeatMs"`
		Topics      []string        `json:"topics"`
	}{o.Resume, o.Cursor.String(), w.interval().Milliseconds(), names(asked.Sub.Selectors())})}
	if o.Reason == "" {
		return asked.Format.AppendControl(text, open)
	}
	open.ID = event.ID{}
	text = asked.Format.AppendControl(text, open)
	return asked.Format.AppendControl(text, gap{Requested: asked.Requested, ResumedAt: o.Cursor, Reason: o.Reason, Topics: o.Lost}.control())
}

func names(selectors []event.Selector) (out []string) {
	for _, s := range selectors {
		out = append(out, s.String())
	}
	return out
}

// overflow is the notice of a gap in mid-stream.
func (w *writer) overflow(text []byte, batch eventlog.Batch) []byte {
	at := event.ID{Epoch: w.cursor.Epoch, Seq: batch.Cursor}
	if len(batch.Entries) > 0 {
		at.Seq = batch.Entries[0].Seq - 1
	}
	w.pool.observer.Gap(eventlog.ReasonOverflow)
	w.sent = at
	if w.asked.Quiet {
		return w.asked.Format.AppendCursor(text, at, 0)
	}
	return w.asked.Format.AppendControl(text, gap{Requested: w.cursor.String(), ResumedAt: at, Reason: eventlog.ReasonOverflow, Topics: batch.Lost}.control())
}

// heartbeat is what breaks a silence. A ping moves the reader's cursor when it has moved without an event of the reader's.
func (w *writer) heartbeat(text []byte) []byte {
	if !w.asked.Pings || w.asked.Quiet {
		return w.asked.Format.AppendHeartbeat(text)
	}
	ping := event.Control{Type: "runnel-ping", Data: []byte("{}")}
	if w.cursor.Seq > w.sent.Seq {
		ping.ID, w.sent = w.cursor, w.cursor
	}
	return w.asked.Format.AppendControl(text, ping)
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

// closing is the last event of a stream.
func (p *Pool) closing(reason Reason) event.Control {
	retry := p.Retry()
	return event.Control{Type: "runnel-close", Retry: retry, Data: event.AppendJSON(nil, struct {
		Reason    Reason `json:"reason"`
		Reconnect bool   `json:"reconnect"`
		RetryMs   int64  `json:"retryMs"`
	}{reason, reason != ReasonRemoved && reason != ReasonComplete, retry.Milliseconds()})}
}
