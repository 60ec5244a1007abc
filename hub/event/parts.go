package event

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// FrameParts is a frame as one hub hands it to another. Its slices are the frame's own: they are not to be changed.
type FrameParts struct {
	// Chunk is the event's text as one HTTP/1.1 chunk, its id included.
	Chunk []byte `cbor:"1,keyasint"`
	// Data as it was sent, where the text has other line ends; else nil.
	Data []byte `cbor:"2,keyasint,omitempty"`
	// Base64 says that the data is the base64 form of bytes.
	Base64 bool `cbor:"3,keyasint,omitempty"`
	// Attributes are those of an event that came as a CloudEvent; nil of any other.
	Attributes []byte `cbor:"4,keyasint,omitempty"`
	// NoData says that such an event came without data.
	NoData bool `cbor:"5,keyasint,omitempty"`
}

// ErrFrame says that parts are not those of a frame.
var ErrFrame = errors.New("frame")

// Parts of a frame.
func (f Frame) Parts() FrameParts {
	p := FrameParts{Chunk: f.chunk}
	if f.rare != nil {
		p.Data, p.Base64, p.Attributes, p.NoData = f.rare.data, f.rare.base64, f.rare.attributes, f.rare.noData
	}
	return p
}

// FrameOf returns the frame with the given parts, which it keeps. It fails with ErrFrame when they are not what an event with this id
// is encoded as, since a reader would take each byte as it is.
func FrameOf(p FrameParts, id ID) (Frame, error) {
	text, err := unchunk(p.Chunk)
	if err != nil {
		return Frame{}, err
	}
	data, err := cutHead(text, id)
	if err != nil {
		return Frame{}, err
	}
	if err := checkLines(data); err != nil {
		return Frame{}, err
	}
	if p.NoData && (len(p.Attributes) == 0 || p.Base64 || string(data) != dataField+"\n") {
		return Frame{}, fmt.Errorf("%w: it has data and has none", ErrFrame)
	}
	f := Frame{chunk: p.Chunk, start: uint8(len(p.Chunk) - len(text) - len(lineEnd))}
	if len(p.Data) == 0 && !p.Base64 && len(p.Attributes) == 0 {
		return f, nil
	}
	f.rare = &rare{base64: p.Base64, noData: p.NoData}
	if len(p.Data) > 0 {
		if bytes.IndexByte(p.Data, '\r') < 0 || !bytes.Equal(AppendData(make([]byte, 0, len(data)), p.Data), data) {
			return Frame{}, fmt.Errorf("%w: its data is not that of its text", ErrFrame)
		}
		f.rare.data = p.Data
	}
	if len(p.Attributes) > 0 {
		if !utf8.Valid(p.Attributes) || bytes.ContainsFunc(p.Attributes, func(r rune) bool { return r < ' ' }) {
			return Frame{}, fmt.Errorf("%w: its attributes are no line of UTF-8", ErrFrame)
		}
		f.rare.attributes = p.Attributes
	}
	return f, nil
}

// unchunk returns what a chunk holds, if its size is right and written as a Draft does.
func unchunk(chunk []byte) (text []byte, err error) {
	size, text, ok := bytes.Cut(chunk, []byte(lineEnd))
	text, ended := bytes.CutSuffix(text, []byte(lineEnd))
	if most := [16]byte{}; !ok || !ended || !bytes.Equal(size, strconv.AppendInt(most[:0], int64(len(text)), 16)) {
		return nil, fmt.Errorf("%w: it is no chunk", ErrFrame)
	}
	return text, nil
}

// cutHead returns the lines of data that follow a text's type and id.
func cutHead(text []byte, id ID) (data []byte, err error) {
	if rest, ok := bytes.CutPrefix(text, []byte(eventField)); ok {
		kind, after, _ := bytes.Cut(rest, []byte{'\n'})
		typed := Event{Type: string(kind)}
		if err := typed.Validate(); err != nil || typed.Type == "" || typed.Type == DefaultType {
			return nil, fmt.Errorf("%w: its type cannot be sent", ErrFrame)
		}
		text = after
	}
	var most [64]byte
	rest, ok := bytes.CutPrefix(text, append(id.Append(append(most[:0], idField...)), '\n'))
	data, ended := bytes.CutSuffix(rest, []byte{'\n'})
	if !ok || !ended {
		return nil, fmt.Errorf("%w: its text is not that of %s", ErrFrame, id)
	}
	return data, nil
}

// checkLines checks that each line is one of data.
func checkLines(lines []byte) error {
	if !utf8.Valid(lines) || bytes.IndexByte(lines, '\r') >= 0 {
		return fmt.Errorf("%w: its data is no text", ErrFrame)
	}
	for first := true; first || len(lines) > 0; first = false {
		line, rest, ended := bytes.Cut(lines, []byte{'\n'})
		if !ended || !bytes.HasPrefix(line, []byte(dataField)) {
			return fmt.Errorf("%w: it holds a line that is none of data", ErrFrame)
		}
		lines = rest
	}
	return nil
}
