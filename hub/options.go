package hub

import (
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
	// maxHeartbeat is that of the resource. The stream says what the shortest is.
	maxHeartbeat = 10 * time.Minute
	maxFlush     = time.Second
	// maxSince is ten years. A number of seconds beyond it is a time since 1970, which since does not take.
	maxSince = 10 * 365 * 24 * time.Hour
)

// readOptions reads how a reader wants its stream.
func (q *query) readOptions(p *parameters) *problem {
	q.asked.Options = fanout.Options{
		Pings:     p.choice("heartbeat_mode", "comment", "event"),
		Quiet:     p.choice("control", "on", "off"),
		FailOnGap: p.choice("on_gap", "event", "fail"),
		Flush:     min(p.duration("flush"), maxFlush),
	}
	format := p.oneOf("format", "data", "envelope", "cloudevents")
	q.asked.Format = event.Format{Envelope: format == "envelope", CloudEvents: format == "cloudevents"}
	q.begin.Padding = p.choice("padding", "false", "true")
	q.start.Conflate = p.choice("conflate", "none", "latest")
	q.asked.Heartbeat = min(p.duration("heartbeat"), maxHeartbeat)
	return p.bad
}

// readStart reads where a reader without a cursor begins.
func readStart(p *parameters, now time.Time) (start eventlog.Start, bad *problem) {
	if replay := p.get("replay"); replay != "" {
		n, err := strconv.Atoi(replay)
		if err != nil || n < 1 || n > maxReplay {
			return start, malformed("replay", replay, "a number from 1 to 1000000, such as 1 for the last value")
		}
		start.Replay = n
	}
	since := p.get("since")
	if since == "" {
		return start, nil
	}
	if back, ok := parseDuration(since); ok && 0 < back && back <= maxSince {
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
