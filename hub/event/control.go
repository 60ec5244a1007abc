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
	b = appendCursor(b, c.ID, c.Retry)
	b = AppendData(b, c.Data)
	return append(b, '\n')
}

// AppendCursor appends a block without data: it is dispatched as no event, but moves the reader's cursor and sets its delay.
func AppendCursor(b []byte, id ID, retry time.Duration) []byte {
	return append(appendCursor(b, id, retry), '\n')
}

func appendCursor(b []byte, id ID, retry time.Duration) []byte {
	if id.Epoch != "" {
		b = append(b, idField...)
		b = id.Append(b)
		b = append(b, '\n')
	}
	if retry > 0 {
		b = append(b, "retry: "...)
		b = strconv.AppendInt(b, retry.Milliseconds(), 10)
		b = append(b, '\n')
	}
	return b
}
