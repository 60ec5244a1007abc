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
	b = append(b, "event: "...)
	b = append(b, c.Type...)
	b = append(b, '\n')
	if c.ID.Epoch != "" {
		b = append(b, "id: "...)
		b = c.ID.Append(b)
		b = append(b, '\n')
	}
	if c.Retry > 0 {
		b = append(b, "retry: "...)
		b = strconv.AppendInt(b, c.Retry.Milliseconds(), 10)
		b = append(b, '\n')
	}
	b = AppendData(b, c.Data)
	return append(b, '\n')
}
