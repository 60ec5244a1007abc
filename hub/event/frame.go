package event

import (
	"bytes"
	"strconv"
)

// Frame is an event as it goes to readers, encoded once and shared by all of them. It is one HTTP/1.1 chunk (RFC 9112,
// section 7.1) around the event's text; who needs no chunk takes the text alone. It never changes.
type Frame struct {
	chunk []byte
	rare  *rare // nil for most
	start uint8 // of the text in chunk, behind the chunk's size; the text ends before the chunk's own line end
}

// rare is what few events have and their text does not show.
type rare struct {
	data       []byte // as it was sent, where the text has other line ends
	attributes []byte
	base64     bool
	noData     bool // of an event with attributes
}

// lineEnd is HTTP's, around a chunk's data.
const lineEnd = "\r\n"

// rareOverhead is what rare costs besides its bytes.
const rareOverhead = 64

// Chunk is the frame for an HTTP/1.1 connection that is written to directly.
func (f Frame) Chunk() []byte { return f.chunk }

// Text is the frame's SSE text, which ends with its blank line.
func (f Frame) Text() []byte { return f.chunk[f.start : len(f.chunk)-len(lineEnd)] }

// Bytes is the memory that the frame takes.
func (f Frame) Bytes() int {
	n := len(f.chunk)
	if f.rare != nil {
		n += rareOverhead + len(f.rare.data) + len(f.rare.attributes)
	}
	return n
}

// Type of the event; empty is DefaultType.
func (f Frame) Type() string {
	rest, ok := bytes.CutPrefix(f.Text(), []byte(eventField))
	if !ok {
		return ""
	}
	kind, _, _ := bytes.Cut(rest, []byte{'\n'})
	return string(kind)
}

// Data of the event as it was sent; not to be changed.
func (f Frame) Data() []byte {
	if f.rare != nil && f.rare.data != nil {
		return f.rare.data
	}
	text := f.Text()
	for !bytes.HasPrefix(text, []byte(dataField)) { // type and id, which hold no line end
		_, text, _ = bytes.Cut(text, []byte{'\n'})
	}
	text = text[len(dataField) : len(text)-len("\n\n")]
	return bytes.ReplaceAll(text, []byte("\n"+dataField), []byte{'\n'})
}

// Fields of a block (HTML, section 9.2.6), each with its space.
const (
	eventField = "event: "
	idField    = "id: "
	dataField  = "data: "
)

// Draft is a frame whose sequence is not known yet. Encoding is the costly part and needs no lock; the sequence is
// stamped in when it is drawn, under the log's lock.
type Draft struct {
	event  *Event
	epoch  string
	frame  Frame
	digits int // where the sequence stands in the chunk
	width  int // how many digits were left for it
}

// NewDraft encodes an event for a sequence near guess. The event's bytes must not change from then on.
func NewDraft(e *Event, epoch string, guess uint64) Draft {
	d := Draft{event: e, epoch: epoch}
	changed := bytes.IndexByte(e.Data, '\r') >= 0
	if changed || e.Base64 || e.Attributes != nil {
		// Copies, since what was read may stand in a buffer that is much larger.
		d.frame.rare = &rare{base64: e.Base64, attributes: bytes.Clone(e.Attributes), noData: e.NoData && e.Attributes != nil}
	}
	if changed {
		d.frame.rare.data = bytes.Clone(e.Data)
	}
	d.encode(decimalWidth(guess))
	return d
}

// Stamp makes the draft the frame of a sequence. It encodes anew in the rare case that the guess had another number of
// digits. A draft is stamped once.
func (d *Draft) Stamp(seq uint64) Frame {
	if w := decimalWidth(seq); w != d.width {
		d.encode(w)
	}
	strconv.AppendUint(d.frame.chunk[d.digits:d.digits:d.digits+d.width], seq, 10)
	return d.frame
}

func (d *Draft) encode(width int) {
	size := d.textSize(width)
	hex := strconv.AppendInt(make([]byte, 0, 16), int64(size), 16)
	b := make([]byte, 0, len(hex)+len(lineEnd)+size+len(lineEnd))
	b = append(b, hex...)
	b = append(b, lineEnd...)
	d.frame.start, d.width = uint8(len(b)), width
	if t := d.event.Type; t != "" && t != DefaultType {
		b = append(b, eventField...)
		b = append(b, t...)
		b = append(b, '\n')
	}
	b = append(b, idField...)
	b = append(b, d.epoch...)
	b = append(b, '-')
	d.digits = len(b)
	b = append(b, "00000000000000000000"[:width]...)
	b = append(b, '\n')
	b = AppendData(b, d.event.Data)
	b = append(b, '\n')
	d.frame.chunk = append(b, lineEnd...)
}

func (d *Draft) textSize(width int) int {
	size := len(idField) + len(d.epoch) + 1 + width + 1 + dataSize(d.event.Data) + 1
	if t := d.event.Type; t != "" && t != DefaultType {
		size += len(eventField) + len(t) + 1
	}
	return size
}

// AppendData appends data as `data: ` lines, split at CRLF, CR and LF (HTML, section 9.2.5). Empty data is one empty line,
// since an event without any would never be dispatched.
func AppendData(b, data []byte) []byte {
	cut := lineCutter(data)
	for {
		line, rest, more := cut(data)
		b = append(b, dataField...)
		b = append(b, line...)
		b = append(b, '\n')
		if !more {
			return b
		}
		data = rest
	}
}

func dataSize(data []byte) (n int) {
	cut := lineCutter(data)
	for {
		line, rest, more := cut(data)
		n += len(dataField) + len(line) + 1
		if !more {
			return n
		}
		data = rest
	}
}

// lineCutter returns what cuts off a line of data. Nearly all data has no CR, and one byte is found many times faster than either
// of two.
func lineCutter(data []byte) func([]byte) (line, rest []byte, more bool) {
	if bytes.IndexByte(data, '\r') < 0 {
		return cutLF
	}
	return cutLine
}

func cutLF(data []byte) (line, rest []byte, more bool) { return bytes.Cut(data, []byte{'\n'}) }

func cutLine(data []byte) (line, rest []byte, more bool) {
	i := bytes.IndexAny(data, "\r\n")
	if i < 0 {
		return data, nil, false
	}
	next := i + 1
	if data[i] == '\r' && next < len(data) && data[next] == '\n' {
		next++
	}
	return data[:i], data[next:], true
}

func decimalWidth(n uint64) int {
	w := 1
	for n >= 10 {
		n /= 10
		w++
	}
	return w
}
