package event

import (
	"strconv"
	"time"
)

// Heartbeat is a comment line (HTML, section 9.2.5). No blank line follows it: that would dispatch what came before.
const Heartbeat = ":\n"

// Control is one of the hub's own events. It is never stored.
type Control struct {
	// Type is its name, with ReservedPrefix.
	Type string
	// ID is the cursor that it moves the reader to; the zero ID leaves the reader's cursor alone.
	ID ID
	// Retry is the delay that the reader is told; 0 tells none. It is sent in whole milliseconds.
	Retry time.Duration
	// Data is one line of JSON.
	Data []byte
}

// Append appends the control event's text.
func (c Control) Append(b []byte) []byte {
	b = append(b, eventField...)
	b = append(b, c.Type...)
	b = append(b, '\n')
	b = appendID(b, c.ID)
	if c.Retry > 0 {
		b = AppendRetry(b, c.Retry)
	}
	b = AppendData(b, c.Data)
	return append(b, '\n')
}

// AppendRetry appends the delay after which a subscriber comes back. The line takes effect at once, also when no blank line follows it
// (HTML, section 9.2.6).
func AppendRetry(b []byte, delay time.Duration) []byte {
	b = append(b, "retry: "...)
	b = strconv.AppendInt(b, delay.Milliseconds(), 10)
	return append(b, '\n')
}

func appendID(b []byte, id ID) []byte {
	if id.Epoch == "" {
		return b
	}
	b = append(b, idField...)
	b = id.Append(b)
	return append(b, '\n')
}
