package eventlog

import (
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// Position is how far a copy has come in another log: counts of what there ever was in its epoch. The zero Position is its beginning.
type Position struct {
	// Seq of the newest event that the copy has, or that is gone. At 0 it has nothing.
	Seq uint64 `cbor:"1,keyasint,omitempty"`
	// IDs that were remembered.
	IDs uint64 `cbor:"2,keyasint,omitempty"`
	// Completions of topics, and how often one was forgotten.
	Completions uint64 `cbor:"3,keyasint,omitempty"`
}

// covers says that who is at a position has all that another one has.
func (p Position) covers(o Position) bool {
	return p.Seq >= o.Seq && p.IDs >= o.IDs && p.Completions >= o.Completions
}

// Record is one thing that happened in a log, as a Feed tells it to a copy. Exactly one field is set.
type Record struct {
	Rules    *RecordedRules `cbor:"1,keyasint,omitempty"`
	Lost     *RecordedLoss  `cbor:"2,keyasint,omitempty"`
	Complete *RecordedEnd   `cbor:"3,keyasint,omitempty"`
	Event    *RecordedEvent `cbor:"4,keyasint,omitempty"`
	ID       *RecordedID    `cbor:"5,keyasint,omitempty"`
	// UpTo says that everything up to a position was told, or is gone.
	UpTo *Position `cbor:"6,keyasint,omitempty"`
}

// RecordedRules are the rules that a log has from now on.
type RecordedRules struct {
	Rules []RecordedRule `cbor:"1,keyasint"`
	// First says that a feed begins with them.
	First bool `cbor:"2,keyasint,omitempty"`
}

// RecordedRule is a Rule.
type RecordedRule struct {
	Selector string        `cbor:"1,keyasint"`
	Events   int           `cbor:"2,keyasint"`
	Age      time.Duration `cbor:"3,keyasint"` // in nanoseconds
}

// RecordedLoss is that a topic lost events, or some topics of a rule did and are forgotten.
type RecordedLoss struct {
	// Selector is the topic, or that of the rule.
	Selector string `cbor:"1,keyasint"`
	// Of says whose loss it is.
	Of Losers `cbor:"2,keyasint,omitempty"`
	// All is the newest of all events that were lost, if any, Newest that of those which no newer one of their key had replaced.
	All    RecordedLast `cbor:"3,keyasint"`
	Newest RecordedLast `cbor:"4,keyasint"`
}

// Losers say which topics lost something.
type Losers uint8

// The ones who may.
const (
	// LosersTopic is one topic.
	LosersTopic Losers = iota
	// LosersForgotten are some of a rule, which are forgotten.
	LosersForgotten
	// LosersAny are some of a rule, which nobody knows any more: they may have come back since.
	LosersAny
)

// RecordedLast is the last of some events: the newest sequence and the latest time when one was stored, in nanoseconds of Unix time.
type RecordedLast struct {
	Seq    uint64 `cbor:"1,keyasint,omitempty"`
	Stored int64  `cbor:"2,keyasint,omitempty"`
}

// RecordedEnd is that a topic is complete, or is not any more.
type RecordedEnd struct {
	Topic string `cbor:"1,keyasint"`
	// Head is a sequence up to which the log had come when the topic was complete. An event of it that is newer began it again, after
	// it was forgotten.
	Head uint64 `cbor:"2,keyasint,omitempty"`
	// Forgotten says that it was, and is forgotten.
	Forgotten bool `cbor:"3,keyasint,omitempty"`
}

// RecordedEvent is a stored event. Times of a hub's own clock are carried as an age, in nanoseconds, since no two hubs have the same.
type RecordedEvent struct {
	Seq   uint64           `cbor:"1,keyasint"`
	Topic string           `cbor:"2,keyasint"`
	Frame event.FrameParts `cbor:"3,keyasint"`
	Key   string           `cbor:"4,keyasint,omitempty"`
	Last  bool             `cbor:"5,keyasint,omitempty"`
	// Replaced says that a newer event of its key has followed.
	Replaced bool `cbor:"9,keyasint,omitempty"`
	// Stored and Until are when it was stored and when it is not sent any more, in nanoseconds of Unix time; an Until of 0 is never.
	Stored int64         `cbor:"6,keyasint"`
	Until  int64         `cbor:"7,keyasint,omitempty"`
	Age    time.Duration `cbor:"8,keyasint,omitempty"`
}

// RecordedID is that an event was stored under an id.
type RecordedID struct {
	// ID and Payload are digests.
	ID      [16]byte      `cbor:"1,keyasint"`
	Payload [16]byte      `cbor:"2,keyasint"`
	Seq     uint64        `cbor:"3,keyasint"`
	Rule    string        `cbor:"4,keyasint"` // the selector
	Age     time.Duration `cbor:"5,keyasint,omitempty"`
}

func (l losses) record(selector string, of Losers) Record {
	last := func(l loss) RecordedLast { return RecordedLast{l.seq, l.stored} }
	return Record{Lost: &RecordedLoss{Selector: selector, Of: of, All: last(l.all), Newest: last(l.newest)}}
}

// losses are what a record tells, as dropped just now.
func (r *RecordedLoss) losses(drops uint64) losses {
	lost := func(l RecordedLast) loss {
		if l.Seq == 0 {
			return loss{}
		}
		return loss{seq: l.Seq, at: drops, stored: l.Stored}
	}
	return losses{all: lost(r.All), newest: lost(r.Newest)}
}

func (e *Entry) record(into *RecordedEvent, now time.Duration) {
	*into = RecordedEvent{
		Seq: e.Seq, Topic: e.Topic, Frame: e.Frame.Parts(), Key: e.keyText(), Last: e.Last, Replaced: e.superseded,
		Stored: e.stored, Until: e.until, Age: now - e.at,
	}
}

// entry of a recorded event, in a log of an epoch and at its own time. Its topic is not known yet.
func (r *RecordedEvent) entry(epoch string, now time.Duration) (*Entry, error) {
	frame, err := event.FrameOf(r.Frame, event.ID{Epoch: epoch, Seq: r.Seq})
	if err != nil {
		return nil, err
	}
	e := &Entry{Seq: r.Seq, Frame: frame, Last: r.Last, superseded: r.Replaced, stored: r.Stored, until: r.Until, at: now - max(0, r.Age)}
	if r.Key != "" {
		key := r.Key
		e.key = &key
	}
	return e, nil
}
