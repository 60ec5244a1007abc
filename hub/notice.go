package hub

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// noticeInterval is how often the log has a line at most about what a client may cause thousands of times a second: 6 lines a minute of each
// kind tell that it happens and how often, and the metrics count the rest.
const noticeInterval = 10 * time.Second

// notice gathers what happens until the log may have a line about it. Event loops count in it, and never wait for a log.
type notice struct {
	level   slog.Level
	message string
	about   string // what the counts are by

	mu     sync.Mutex
	next   time.Time // of a line
	counts map[string]int
	detail []any // attributes of the first that is counted
}

// add counts what happened by a reason, which has few values. The detail is asked for when it is the first since the last line, before add
// returns; nil is none.
func (n *notice) add(reason string, detail func() []any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.counts) == 0 {
		n.counts = map[string]int{}
		if detail != nil {
			n.detail = detail()
		}
	}
	n.counts[reason]++
}

// write logs what was counted, if anything was, and if it is time for a line.
func (n *notice) write(logger *slog.Logger, now time.Time) {
	attributes, ok := n.take(now)
	if ok {
		logger.Log(context.Background(), n.level, n.message, attributes...)
	}
}

func (n *notice) take(now time.Time) (attributes []any, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.counts) == 0 || now.Before(n.next) {
		return nil, false
	}
	total := 0
	var reasons []any
	for _, reason := range slices.Sorted(maps.Keys(n.counts)) {
		total += n.counts[reason]
		reasons = append(reasons, slog.Int(reason, n.counts[reason]))
	}
	attributes = append(attributes, slog.Int("count", total))
	if n.about != "" {
		attributes = append(attributes, slog.Group(n.about, reasons...))
	}
	attributes = append(attributes, n.detail...)
	n.next, n.counts, n.detail = now.Add(noticeInterval), nil, nil
	return attributes, true
}

// notices are all that a hub has.
type notices struct {
	panics, accepts, full, turnedAway, slow notice
}

func newNotices() *notices {
	return &notices{
		panics:     notice{level: slog.LevelError, message: "a request's handler panicked, and its connection ended"},
		accepts:    notice{level: slog.LevelError, message: "connections cannot be accepted", about: "ports"},
		full:       notice{level: slog.LevelError, message: "new connections wait, since there are descriptors for no more", about: "ports"},
		turnedAway: notice{level: slog.LevelWarn, message: "subscribers were told to come back later", about: "reasons"},
		slow:       notice{level: slog.LevelWarn, message: "subscribers were cut since they read too slowly"},
	}
}

// write logs what is due.
func (n *notices) write(logger *slog.Logger, now time.Time) {
	for _, one := range []*notice{&n.panics, &n.accepts, &n.full, &n.turnedAway, &n.slow} {
		one.write(logger, now)
	}
}
