package fanout

import (
	"slices"
	"strconv"
	"sync"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

// batchBytes is how much text is gathered for one write: enough to make the call's cost small, and all that a stuck connection holds
// on to.
const batchBytes = 64 << 10

// text is what one write is made of: whole events. For a socket each is a chunk of HTTP/1.1 of its own (RFC 9112, section 7.1), so that
// a write that was cut can end anywhere between two of them.
type text struct {
	chunked bool
	bytes   []byte
	parts   []part
	// events are how many of the parts are of the log.
	events int
	// before is where the reader stands when none of the parts is begun.
	before part
	// kept is up to where nothing may be left out: what the hub says of itself it says once.
	kept int

	entries []*eventlog.Entry // of the read that filled it
	one     []byte            // a part before it is a chunk
}

// part is one event in a text.
type part struct {
	end int // in the text's bytes
	// cursor and sent are the reader's when it has it.
	cursor, sent uint64
	// frame is the part as all readers share it; nil for what is made for one.
	frame []byte
}

// texts are for who writes now: a reader at rest has none.
var texts = sync.Pool{New: func() any { return &text{} }}

func (t *text) reset(chunked bool) {
	t.chunked, t.bytes, t.parts, t.kept, t.events = chunked, t.bytes[:0], t.parts[:0], 0, 0
}

// release keeps the buffers for the next writer, unless one large event made them large.
func (t *text) release() {
	t.shrink()
	texts.Put(t)
}

func (t *text) shrink() {
	const most = 2 * batchBytes
	if cap(t.bytes) > most {
		t.bytes = nil
	}
	if cap(t.one) > most {
		t.one = nil
	}
	clear(t.entries)
	clear(t.parts[:cap(t.parts)])
}

// raw appends bytes as they are.
func (t *text) raw(b []byte) {
	t.bytes = append(t.bytes, b...)
	t.kept = len(t.bytes)
}

// control appends one of the hub's own.
func (t *text) control(b []byte, cursor, sent uint64) {
	t.frame(b)
	t.kept = len(t.bytes)
	t.parts = append(t.parts, part{end: len(t.bytes), cursor: cursor, sent: sent})
}

// event appends an event of the log.
func (t *text) event(e *eventlog.Entry, f event.Format, epoch string) {
	var frame []byte
	switch {
	case !f.IsPlain():
		t.one = f.AppendEvent(t.one[:0], e.Stored(epoch))
		t.frame(t.one)
	case t.chunked:
		frame = e.Frame.Chunk()
		t.bytes = append(t.bytes, frame...)
	default:
		t.bytes = append(t.bytes, e.Frame.Text()...)
	}
	t.parts = append(t.parts, part{len(t.bytes), e.Seq, e.Seq, frame})
	t.events++
}

func (t *text) frame(b []byte) {
	if len(b) == 0 {
		return // a chunk without bytes would end the stream
	}
	if !t.chunked {
		t.bytes = append(t.bytes, b...)
		return
	}
	t.bytes = strconv.AppendInt(t.bytes, int64(len(b)), 16)
	t.bytes = append(t.bytes, "\r\n"...)
	t.bytes = append(t.bytes, b...)
	t.bytes = append(t.bytes, "\r\n"...)
}

// lastChunk ends a body in chunks.
const lastChunk = "0\r\n\r\n"

func (t *text) end() {
	if t.chunked {
		t.raw([]byte(lastChunk))
	}
}

// rest is a copy of a part's end, or of all that is left of a text up to there; of a frame that is shared, it is that itself.
func (p part) rest(left []byte) []byte {
	if begun := len(p.frame) - len(left); begun >= 0 {
		return slices.Clip(p.frame[begun:])
	}
	return slices.Clone(left)
}

// cut is what of a text must still be sent when so many bytes of it were, where its reader stands when they are, and how many events that
// makes. Events that were not begun are left out: they are read again.
func (t *text) cut(sent int) (rest []byte, stand part, events int) {
	end, stand := max(sent, t.kept), t.before
	if end == 0 {
		return nil, stand, 0
	}
	controls := len(t.parts) - t.events // come first
	for i, p := range t.parts {
		if stand = p; p.end >= end {
			return p.rest(t.bytes[sent:p.end]), stand, max(0, i+1-controls)
		}
	}
	return slices.Clone(t.bytes[sent:]), stand, t.events
}
