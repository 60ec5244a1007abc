package eventlog

import (
	"math"
	"sort"
	"strings"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// Entry is a stored event. What is exported of it never changes.
type Entry struct {
	// Seq is its sequence.
	Seq uint64
	// Topic that it belongs to.
	Topic string
	// Frame is what readers get.
	Frame event.Frame
	// Last says that the event completes its topic. Who follows the log by Since asks Read whether a reader is at its end then.
	Last bool

	superseded bool          // by a newer one of its key; it changes, under the log's lock
	stored     int64         // when it was, in nanoseconds of Unix time
	until      int64         // not sent from then on, in nanoseconds of Unix time; 0 is never
	at         time.Duration // when it was stored, by the log's own clock, which nobody sets
	topic      *topic
	key        *string // nil is the empty one
}

// newEntry makes an entry of all that is known before its sequence.
func newEntry(e *event.Event, now time.Time, at time.Duration) *Entry {
	entry := &Entry{Last: e.Last, stored: now.UnixNano(), at: at}
	if e.TTL > 0 && int64(e.TTL) <= math.MaxInt64-entry.stored {
		entry.until = entry.stored + int64(e.TTL)
	}
	if e.Key != "" {
		key := strings.Clone(e.Key) // it may be a part of a long request
		entry.key = &key
	}
	return entry
}

// Stored is the entry as it is encoded for readers.
func (e *Entry) Stored(epoch string) event.Stored {
	return event.Stored{ID: event.ID{Epoch: epoch, Seq: e.Seq}, Topic: e.Topic, Key: e.keyText(), At: time.Unix(0, e.stored), Frame: e.Frame}
}

// Stale says that the event's own time to live is over: it is not sent any more, and no loss when it is dropped.
func (e *Entry) Stale(now time.Time) bool { return e.until != 0 && now.UnixNano() >= e.until }

// cost is the memory that an entry takes.
func (e *Entry) cost() int64 {
	cost := int64(e.Frame.Bytes()) + entryOverhead
	if e.key != nil {
		cost += int64(len(*e.key)) + keyOverhead
	}
	if e.until != 0 {
		cost += briefOverhead
	}
	return cost
}

func (e *Entry) keyText() string {
	if e.key == nil {
		return ""
	}
	return *e.key
}

// ring is a topic's entries.
type ring struct{ queue[*Entry] }

// after returns the index of the oldest entry that is newer than a position.
func (r *ring) after(seq uint64) int {
	// Most readers are near the end.
	if r.count == 0 || r.newest().Seq <= seq {
		return r.count
	}
	return sort.Search(r.count, func(i int) bool { return r.at(i).Seq > seq })
}
