package peer

import (
	"errors"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

// State is what a hub is.
type State struct {
	// Version of the protocol comes first.
	Version int `cbor:"1,keyasint"`
	// Self is the hub.
	Self Peer `cbor:"2,keyasint"`
	Role Role `cbor:"3,keyasint"`
	// Epoch and Seq are of the newest event that it has.
	Epoch string `cbor:"4,keyasint"`
	Seq   uint64 `cbor:"5,keyasint"`
	// Leader is who the hub follows, or was superseded by.
	Leader Peer `cbor:"6,keyasint"`
	// Stopping says that the hub is about to end.
	Stopping bool `cbor:"7,keyasint"`
}

// LogRequest asks for a log from a position on.
type LogRequest struct {
	// Epoch of the log, and the position after which it goes on.
	Epoch string
	After eventlog.Position
	// By is who asks.
	By Peer
}

// Take asks for the right to append.
type Take struct {
	// Epoch in which it is.
	Epoch string `cbor:"1,keyasint"`
	// By is who asks.
	By Peer `cbor:"2,keyasint"`
	// Number is of the asker's own: what it asks for again has the same, and what it asks for anew has not.
	Number uint64 `cbor:"3,keyasint"`
}

// Taken grants the right to append to who has all up to the end.
type Taken struct {
	End eventlog.Position `cbor:"1,keyasint"`
}

// Claim says who leads in another epoch.
type Claim struct {
	Epoch string `cbor:"1,keyasint"`
	By    Peer   `cbor:"2,keyasint"`
}

// Offer asks a follower to take over from who it follows.
type Offer struct {
	Epoch string `cbor:"1,keyasint"`
	By    Peer   `cbor:"2,keyasint"`
}

// Append is what was published at a hub that does not append. It may be sent again, since each event has an id.
type Append struct {
	// Events in their order, each with an id.
	Events []Event `cbor:"1,keyasint"`
	// Stop says that no event is stored after one that is refused.
	Stop bool `cbor:"2,keyasint"`
	// Complete names a topic that has had its last event; there are no events then.
	Complete string `cbor:"3,keyasint"`
}

// Appended has a receipt for each event, up to the first that is refused where that was asked for, or one for the end of a topic.
type Appended struct {
	Receipts []Receipt `cbor:"1,keyasint"`
}

// AnsweredBy says whether an answer has as many receipts as there must be.
func (q Append) AnsweredBy(a Appended) bool {
	n := len(a.Receipts)
	switch {
	case q.Complete != "":
		return n == 1
	case q.Stop && n > 0 && n < len(q.Events):
		return a.Receipts[n-1].Refused != ""
	}
	return n == len(q.Events)
}

// Event is an event.Event.
type Event struct {
	Topic      string        `cbor:"1,keyasint"`
	Type       string        `cbor:"2,keyasint"`
	Data       []byte        `cbor:"3,keyasint"`
	Base64     bool          `cbor:"4,keyasint"`
	TTL        time.Duration `cbor:"5,keyasint"`
	ID         string        `cbor:"6,keyasint"`
	Key        string        `cbor:"7,keyasint"`
	Last       bool          `cbor:"8,keyasint"`
	Attributes []byte        `cbor:"9,keyasint"`
	NoData     bool          `cbor:"10,keyasint,omitempty"`
}

// Receipt is an eventlog.Receipt, or why there is none.
type Receipt struct {
	Epoch     string `cbor:"1,keyasint"`
	Seq       uint64 `cbor:"2,keyasint"`
	Duplicate bool   `cbor:"3,keyasint"`
	// Refused is empty, or one of the words for the log's errors; Reason is for people.
	Refused string `cbor:"4,keyasint"`
	Reason  string `cbor:"5,keyasint"`
}

// EventOf carries an event.
func EventOf(e *event.Event) Event { return Event(*e) }

// Event is what was carried. It fails for one that would break a frame or a topic's name.
func (e Event) Event() (*event.Event, error) {
	out := event.Event(e)
	if err := event.ValidateTopic(out.Topic); err != nil {
		return nil, err
	}
	checked := out
	checked.ID = "" // that of the publisher was checked, and is a part of this one
	if err := checked.Validate(); err != nil {
		return nil, err
	}
	if out.ID == "" || out.TTL < 0 {
		return nil, errors.New("an event without an id, or whose time to live is negative")
	}
	return &out, nil
}

// refusals are the words for the log's errors.
var refusals = map[string]error{
	"undeclared": eventlog.ErrUndeclared, "complete": eventlog.ErrComplete, "id_reused": eventlog.ErrIDReused, "too_large": eventlog.ErrTooLarge,
}

// ReceiptOf carries what the log answered.
func ReceiptOf(id event.ID, duplicate bool, err error) Receipt {
	if err == nil {
		return Receipt{Epoch: id.Epoch, Seq: id.Seq, Duplicate: duplicate}
	}
	out := Receipt{Refused: "other", Reason: err.Error()}
	for word, is := range refusals {
		if errors.Is(err, is) {
			out.Refused = word
		}
	}
	return out
}

// Err is the log's error, or nil.
func (r Receipt) Err() error {
	if r.Refused == "" {
		return nil
	}
	return &refused{r.Reason, refusals[r.Refused]}
}

// refused has the words of an error from elsewhere.
type refused struct {
	text string
	is   error
}

// Error implements error.
func (r *refused) Error() string { return r.text }

// Unwrap is for errors.Is.
func (r *refused) Unwrap() error { return r.is }

// ID of the event that was stored.
func (r Receipt) ID() event.ID { return event.ID{Epoch: r.Epoch, Seq: r.Seq} }
