package sse

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxLine is the longest line that is read: four times a hub's largest payload, which is 4 MiB.
const maxLine = 16 << 20

// parser makes events of the lines of a stream, by HTML's section 9.2.6.
type parser struct {
	lines *bufio.Scanner
	first bool // no line has been read

	kind, data, id string
	retry          *time.Duration
	touched        bool // a field that is more than data was seen in the block
}

// newParser reads a stream; id is the last event id before its first block.
func newParser(r io.Reader, id string) *parser {
	p := &parser{lines: bufio.NewScanner(r), first: true, id: id}
	p.lines.Buffer(nil, maxLine)
	p.lines.Split((&splitter{}).split)
	return p
}

// Parse calls each with the events of a text, in the order and form of Stream.Next; id is the last event id before them. It returns
// nil at the text's end, the error of its reader, or that of each, which ends it.
func Parse(r io.Reader, id string, each func(Event) error) error {
	for p := newParser(r, id); ; {
		e, err := p.next()
		if err == nil {
			err = each(e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// next returns the next block that a browser would dispatch, or that changes the id or the reconnection time alone. A block that
// the stream's end cuts off is dropped.
func (p *parser) next() (Event, error) {
	for p.lines.Scan() {
		line := p.lines.Text()
		if p.first {
			line, p.first = strings.TrimPrefix(line, "\ufeff"), false
		}
		if !utf8.ValidString(line) {
			line = strings.ToValidUTF8(line, string(utf8.RuneError))
		}
		if line == "" {
			if e, ok := p.dispatch(); ok {
				return e, nil
			}
			continue
		}
		p.field(line)
	}
	if err := p.lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return Event{}, fmt.Errorf("a line is longer than %d bytes", maxLine)
	} else if err != nil {
		return Event{}, err
	}
	return Event{}, io.EOF
}

func (p *parser) field(line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "event":
		p.kind = value
	case "data":
		p.data += value + "\n"
	case "id":
		if !strings.ContainsRune(value, 0) {
			p.id, p.touched = value, true
		}
	case "retry":
		if ms, err := strconv.ParseUint(value, 10, 32); err == nil {
			d := time.Duration(ms) * time.Millisecond
			p.retry, p.touched = &d, true
		}
	}
}

// dispatch ends a block. It is an event only if it has data; without, only the id and the reconnection time count.
func (p *parser) dispatch() (Event, bool) {
	e := Event{ID: p.id, Retry: p.retry}
	seen := p.touched
	if p.data != "" {
		e.Type, e.Data, seen = "message", strings.TrimSuffix(p.data, "\n"), true
		if p.kind != "" {
			e.Type = p.kind
		}
	}
	p.kind, p.data, p.retry, p.touched = "", "", nil, false
	return e, seen
}

// splitter splits at CRLF, LF and CR. A CR ends its line at once, as an LF that follows may be long in coming; that LF is then
// left out.
type splitter struct{ afterCR bool }

func (s *splitter) split(data []byte, _ bool) (advance int, token []byte, err error) {
	skip := 0
	if s.afterCR && len(data) > 0 {
		s.afterCR = false
		if data[0] == '\n' {
			skip = 1
		}
	}
	for i, b := range data[skip:] {
		if b == '\n' || b == '\r' {
			s.afterCR = b == '\r'
			return skip + i + 1, data[skip : skip+i], nil
		}
	}
	return skip, nil, nil // what is left at the end belongs to a block that is cut off
}
