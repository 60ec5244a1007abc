// Package event holds what a hub stores and sends: an event, its id, the frame that goes to every reader, and the topics and
// selectors by which readers choose. It knows no sockets and takes no locks.
package event

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of an event's type, id and key.
const (
	MaxTypeBytes = 255
	// MaxIDBytes fits a CloudEvent's source and id, which together name it.
	MaxIDBytes  = 1024
	MaxKeyBytes = 255
)

// ReservedPrefix starts the types of the hub's own control events.
const ReservedPrefix = "runnel-"

// DefaultType is what an EventSource calls an event without a type (HTML, section 9.2.6); it is left out of frames.
const DefaultType = "message"

// Event is what a publisher sends.
type Event struct {
	// Topic that it belongs to, valid by ValidateTopic.
	Topic string
	// Type that a browser dispatches it as; empty is DefaultType.
	Type string
	// Data is UTF-8 text. Readers of Server-Sent Events get CRLF and CR as LF, since that format knows lines only.
	Data []byte
	// Base64 says that Data is the base64 form (RFC 4648, section 4) of bytes that need not be text. Readers get that form.
	Base64 bool
	// TTL is how long after its arrival the event is worth replaying; zero is as long as it is retained.
	TTL time.Duration
	// ID makes sending the event again harmless, within the log's window; empty is none. It is unique among all publishers.
	ID string
	// Key says what the event is about: of the events of one topic and key, the newest replaces the others for readers that
	// want no more. Events without one share the empty key.
	Key string
	// Last says that no event of its topic follows.
	Last bool
	// Attributes are those of an event that came as a CloudEvent, as members of a JSON object without its braces; nil of any
	// other.
	Attributes []byte
	// NoData says that a CloudEvent came without data. Subscribers who get data alone get it empty.
	NoData bool
}

// Problems of an event, for errors.Is.
var (
	// ErrType says that a type cannot be sent.
	ErrType = errors.New("type")
	// ErrID says that an id cannot be taken.
	ErrID = errors.New("id")
	// ErrKey says that a key cannot be taken.
	ErrKey = errors.New("key")
	// ErrData says that data is no UTF-8 text.
	ErrData = errors.New("data")
)

// Validate checks the parts that would break a frame or deceive a reader: control characters in the type, the hub's own
// types, data that is no UTF-8. Topic and size are checked by who knows the declared topics and the limit.
func (e *Event) Validate() error {
	switch {
	case len(e.Type) > MaxTypeBytes:
		return fmt.Errorf("%w has %d bytes: write at most %d", ErrType, len(e.Type), MaxTypeBytes)
	case !printable(e.Type):
		return fmt.Errorf("%w holds a control character or is no UTF-8: write it in printable characters", ErrType)
	case strings.HasPrefix(e.Type, ReservedPrefix):
		return fmt.Errorf("%w starts with %s, which is the hub's own: write another prefix", ErrType, ReservedPrefix)
	case len(e.ID) > MaxIDBytes:
		return fmt.Errorf("%w has %d bytes: write at most %d", ErrID, len(e.ID), MaxIDBytes)
	case !printable(e.ID):
		return fmt.Errorf("%w holds a control character or is no UTF-8: write it in printable characters", ErrID)
	case len(e.Key) > MaxKeyBytes:
		return fmt.Errorf("%w has %d bytes: write at most %d", ErrKey, len(e.Key), MaxKeyBytes)
	case !printable(e.Key):
		return fmt.Errorf("%w holds a control character or is no UTF-8: write it in printable characters", ErrKey)
	case !utf8.Valid(e.Data):
		return fmt.Errorf("%w is no UTF-8 text: send it in base64, with encoding=base64", ErrData)
	}
	return nil
}

func printable(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, isControl) }

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }
