package hub

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/fanout"
)

// Bounds of what a reader may ask for.
const (
	// maxReplay is the largest replay; what a topic retains is less in most streams.
	maxReplay = 1_000_000
	// minHeartbeat and maxHeartbeat are those of the resource.
	minHeartbeat = 5 * time.Second
	maxHeartbeat = 10 * time.Minute
	maxFlush     = time.Second
)

// readOptions reads how a reader wants its stream.
func (q *query) readOptions(values url.Values) *problem {
	v := &parameters{values: values}
	q.asked.Options = fanout.Options{
		Pings:     v.choice("heartbeat_mode", "comment", "event"),
		Quiet:     v.choice("control", "on", "off"),
		FailOnGap: v.choice("on_gap", "event", "fail"),
		Flush:     min(v.duration("flush"), maxFlush),
		Format:    event.Format{CloudEvents: v.choice("format", "data", "cloudevents")},
	}
	q.begin.Padding = v.choice("padding", "false", "true")
	q.start.Conflate = v.choice("conflate", "none", "latest")
	if heartbeat := v.duration("heartbeat"); heartbeat > 0 {
		q.asked.Heartbeat = min(max(heartbeat, minHeartbeat), maxHeartbeat)
	}
	return v.bad
}

// readStart reads where a reader without a cursor begins.
func readStart(values url.Values, now time.Time) (start eventlog.Start, bad *problem) {
	if replay := values.Get("replay"); replay != "" {
		n, err := strconv.Atoi(replay)
		if err != nil || n < 1 || n > maxReplay {
			return start, malformed("replay", replay, "a number from 1 to 1000000, such as 1 for the last value")
		}
		start.Replay = n
	}
	since := values.Get("since")
	if since == "" {
		return start, nil
	}
	if back, err := time.ParseDuration(since); err == nil && back > 0 {
		start.Since = now.Add(-back)
		return start, nil
	}
	// A plus sign that is not percent-encoded comes as a space, which a time has nowhere.
	when, err := time.Parse(time.RFC3339, strings.ReplaceAll(since, " ", "+"))
	if err != nil {
		return start, malformed("since", since, "a time such as 2026-01-31T10:00:00Z, or a duration back such as 15m")
	}
	start.Since = when
	return start, nil
}

func malformed(name, value, want string) *problem {
	return refuse(http.StatusBadRequest, "parameter_malformed", "%s=%s: write %s", name, quote(value), want)
}

// parameters reads a query and keeps its first problem.
type parameters struct {
	values url.Values
	bad    *problem
}

// choice says whether a parameter has its other value than the usual one.
func (p *parameters) choice(name, usual, other string) bool {
	switch value := p.values.Get(name); value {
	case "", usual:
		return false
	case other:
		return true
	default:
		p.fail(malformed(name, value, usual+" or "+other))
		return false
	}
}

// duration of zero is none.
func (p *parameters) duration(name string) time.Duration {
	value := p.values.Get(name)
	if value == "" || value == "0" {
		return 0
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		p.fail(malformed(name, value, "a duration such as 500ms or 30s"))
	}
	return d
}

func (p *parameters) fail(bad *problem) {
	if p.bad == nil {
		p.bad = bad
	}
}
