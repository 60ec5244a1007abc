// Package eventlog keeps a stream's events: one sequence over all topics, bounded history, readers as cursors, and gaps that
// are known topic by topic. It knows no sockets.
//
// Locks: Memory has one, mu, which readers share. It guards every topic, rule and entry of that log, is held only for work in memory,
// and nothing is called from under it. Nobody holds it for long: what there may be much of is done in steps (see hold.go), and an
// event is encoded before. What takes longest is that a slice or a map grows, by as much as it held.
package eventlog

import (
	"errors"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// Log is a stream's history and its live end. All methods may be called concurrently.
//
// Append gives an event the next sequence and returns when the event is stored; from then on every Read returns it until it
// is evicted. Events of concurrent Appends get their order there and nowhere else: every reader sees the same one.
//
// A restart of a log that forgets draws a new epoch, and cursors of the old one are answered with a reset. Sequences are
// never used twice in an epoch.
//
// Weakness: a dynamic topic that has been empty for long is forgotten (see maxIdleTopics); a cursor older than the newest loss
// of any forgotten topic of the same rule is then told of a gap that may not be one. A false alarm, never a silent loss.
type Log interface {
	// Append stores an event under the next sequence, or finds that it is stored already by its id. It fails with
	// ErrUndeclared, ErrIDReused, ErrComplete, ErrTooLarge and ErrSealed, and stores nothing then. It tells nobody: Announce does.
	Append(e *event.Event) (Receipt, error)
	// Announce tells the channels of Notify that there are new events. Who appends calls it once, after the last event that it has
	// for now. An event that is never announced is read all the same, but nobody is woken for it.
	Announce()
	// Complete says that no event of a topic follows, and returns the position of its end. It may be said again. It fails with
	// ErrUndeclared and ErrSealed. Completeness is forgotten together with a topic.
	Complete(topic string) (event.ID, error)
	// Subscribe prepares to read what selectors choose, from start on. It fails with ErrUndeclared when a selector can
	// choose nothing.
	Subscribe(selectors []event.Selector, start Start) (*Subscription, Opening, error)
	// Since returns the oldest retained entries after a position, at most limit of them, which is 1 or more, and the position up to
	// which it has looked: the newest entry's if more follow, else the head's. Each sequence in between that is not among the entries
	// is of an event that was dropped, so nothing is missing when there are as many entries as the position has moved.
	Since(after uint64, limit int, into []*Entry) (entries []*Entry, upTo uint64, more bool)
	// Notify adds a channel that is sent to, without ever waiting for it, at each Announce.
	Notify(c chan<- struct{})
	// Head is the id of the newest event, or sequence 0 before the first.
	Head() event.ID
}

// Receipt is what a publisher learns of a stored event.
type Receipt struct {
	// ID of the event.
	ID event.ID
	// Rule is the selector of the rule that governs its topic. It has as many values as the stream has rules, so it may label
	// a metric.
	Rule string
	// Duplicate says that the event was stored before, under the same id; the ID is that of then.
	Duplicate bool
}

// ErrIDReused says that another event was stored under the same id.
var ErrIDReused = errors.New("id was used for another event")

// ErrComplete says that a topic has had its last event.
var ErrComplete = errors.New("is complete")

// ErrUndeclared says that no rule of the stream covers a topic. The log's own errors are UndeclaredErrors.
var ErrUndeclared = errors.New("is not declared")

// UndeclaredError is ErrUndeclared for a topic or a pattern.
type UndeclaredError struct{ Name string }

// Error names the topic.
func (e *UndeclaredError) Error() string { return "topic " + e.Name + " " + ErrUndeclared.Error() }

// Unwrap returns ErrUndeclared.
func (e *UndeclaredError) Unwrap() error { return ErrUndeclared }

// ErrTooLarge says that an event alone would take more than the log may hold.
var ErrTooLarge = errors.New("the event does not fit the history")

// Rule declares topics and how much of each is kept.
type Rule struct {
	// Selector is a topic or a pattern. The rule with the highest precedence by Selector.Compare governs a topic.
	Selector event.Selector
	// Events kept for each topic, at least 1.
	Events int
	// Age at which an event is dropped.
	Age time.Duration
}

// Start says where a subscription begins.
type Start struct {
	// Cursor is the last event that the reader saw, as the reader wrote it; empty for none.
	Cursor string
	// Earliest begins with the oldest retained event; it is used when Cursor is empty.
	Earliest bool
	// Replay begins with the newest so many retained events of each topic; it is used when neither of the above is set. Zero is
	// none.
	Replay int
	// Since begins with the oldest retained event that is not older; it is used when none of the above is set. The zero time is
	// none.
	Since time.Time
	// Conflate leaves out events that a newer one of their topic and key has replaced. That such an event was dropped is no loss.
	Conflate bool
}

// Resume says how a subscription begins.
type Resume string

// The ways a subscription begins.
const (
	// ResumeLive: no cursor was given.
	ResumeLive Resume = "live"
	// ResumeExact: nothing was lost since the cursor.
	ResumeExact Resume = "exact"
	// ResumeGap: some was.
	ResumeGap Resume = "gap"
	// ResumeReset: the cursor is of an epoch that is gone; all that is retained follows.
	ResumeReset Resume = "reset"
)

// Reason says why a reader has a gap.
type Reason string

// The reasons of a gap.
const (
	// ReasonEvicted: events after the cursor were dropped by retention.
	ReasonEvicted Reason = "evicted"
	// ReasonReset: the cursor is of another epoch.
	ReasonReset Reason = "reset"
	// ReasonUnknownID: the cursor is none of ours; only new events follow.
	ReasonUnknownID Reason = "unknown_id"
	// ReasonOverflow: a connected reader was too slow for retention.
	ReasonOverflow Reason = "overflow"
)

// Opening is how a subscription begins.
type Opening struct {
	Resume Resume
	// Cursor is where it begins: what follows is newer.
	Cursor event.ID
	// Reason of the gap, when Resume is ResumeGap or ResumeReset.
	Reason Reason
	// Lost names the topics that lost events, or selectors where the topics cannot be told.
	Lost []string
	// Complete says that nothing follows and nothing ever will.
	Complete bool
}
