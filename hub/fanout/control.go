package fanout

import (
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

// retry draws the delay before a reader comes back, since browsers add no jitter of their own.
func (p *Pool) retry() time.Duration {
	delay := p.settings.Load().Delay
	return delay + rand.N(delay)
}

// open appends runnel-open. On a gap it has no id: the cursor moves only together with the notice that follows.
func (p *Pool) open(text []byte, selectors []event.Selector, o eventlog.Opening) []byte {
	data := struct {
		Resume      eventlog.Resume `json:"resume"`
		Cursor      string          `json:"cursor"`
		HeartbeatMs int64           `json:"heartbeatMs"`
		Topics      []string        `json:"topics"`
	}{o.Resume, o.Cursor.String(), p.settings.Load().Heartbeat.Milliseconds(), nil}
	for _, s := range selectors {
		data.Topics = append(data.Topics, s.String())
	}
	c := event.Control{Type: "runnel-open", ID: o.Cursor, Retry: p.retry(), Data: line(data)}
	if o.Reason != "" {
		c.ID = event.ID{}
	}
	return c.Append(text)
}

type gap struct {
	Requested string          `json:"requested"`
	ResumedAt event.ID        `json:"resumedAt"`
	Reason    eventlog.Reason `json:"reason"`
	Topics    []string        `json:"topics"`
}

func (p *Pool) gap(text []byte, g gap) []byte {
	return event.Control{Type: "runnel-gap", ID: g.ResumedAt, Data: line(g)}.Append(text)
}

func (p *Pool) close(text []byte, reason Reason) []byte {
	retry := p.retry()
	return event.Control{Type: "runnel-close", Retry: retry, Data: line(struct {
		Reason    Reason `json:"reason"`
		Reconnect bool   `json:"reconnect"`
		RetryMs   int64  `json:"retryMs"`
	}{reason, reason != ReasonRemoved, retry.Milliseconds()})}.Append(text)
}

// line is one line of JSON; what is given always has one.
func line(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	return b
}
