package hub

import (
	"unicode/utf8"

	"github.com/runnel-dev/runnel/hub/event"
)

// maxScanDepth is how deep data may be nested for a scanner: deeper than people write.
const maxScanDepth = 32

// scanner reads documents in the form in which nearly all come: each name once and in its own letter case, data in place of
// dataBase64, one topic, and no escape but the short ones of data. It takes nothing that decodeDocument does not take, and makes the
// same event of it; what it leaves alone may be right or wrong. It is there because encoding/json takes ten times as long, most of it
// to find members by reflection.
//
// The zero scanner is ready. It is used again for the next document, by one goroutine at a time.
type scanner struct {
	text []byte
	at   int
	room []byte // for data that does not stand in the text as it is
	kept int    // up to where the text of data is in room, or needs no copy
}

// member is a set of names of a document.
type member uint8

const (
	memberTopic member = 1 << iota
	memberType
	memberID
	memberKey
	memberTTL
	memberData
)

// event reads a document of which data takes at most limit bytes, and says whether it has. The event's data is a part of the document
// or of the scanner: it is good until either changes.
func (s *scanner) event(document []byte, limit int64, into *event.Event) bool {
	if !utf8.Valid(document) {
		return false
	}
	s.text, s.at, s.room = document, 0, s.room[:0]
	*into = event.Event{}
	return s.document(into) && int64(len(into.Data)) <= limit
}

func (s *scanner) document(into *event.Event) bool {
	s.space()
	var seen member
	for s.next(opening(seen)) {
		s.space()
		m, ok := s.member(into)
		if !ok || seen&m != 0 {
			return false
		}
		seen |= m
		s.space()
	}
	if seen&memberData == 0 || !s.next('}') {
		return false
	}
	s.space()
	return s.at == len(s.text)
}

// opening is what comes before the next member of an object.
func opening(seen member) byte {
	if seen == 0 {
		return '{'
	}
	return ','
}

// member reads a name and its value.
func (s *scanner) member(into *event.Event) (m member, ok bool) {
	name, ok := s.plain()
	if !ok {
		return 0, false
	}
	s.space()
	if !s.next(':') {
		return 0, false
	}
	s.space()
	if string(name) == "data" {
		into.Data, ok = s.data()
		return memberData, ok
	}
	value, ok := s.plain()
	if !ok {
		return 0, false
	}
	switch string(name) {
	case "topic":
		into.Topic = string(value)
		return memberTopic, true
	case "type":
		into.Type = string(value)
		return memberType, true
	case "id":
		into.ID = string(value)
		return memberID, true
	case "key":
		into.Key = string(value)
		return memberKey, true
	case "ttl":
		ttl, bad := readTTL(string(value))
		into.TTL = ttl
		return memberTTL, bad == nil
	}
	return 0, false
}

// next takes a byte if it is the next one.
func (s *scanner) next(c byte) bool {
	if s.at == len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

// space takes whitespace (RFC 8259, section 2).
func (s *scanner) space() {
	for s.at < len(s.text) && isSpace(s.text[s.at]) {
		s.at++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// run takes what stands for itself in a string.
func (s *scanner) run() {
	text, at := s.text, s.at
	for at < len(text) && text[at] >= ' ' && text[at] != '"' && text[at] != '\\' {
		at++
	}
	s.at = at
}

// plain reads a string without escapes.
func (s *scanner) plain() (value []byte, ok bool) {
	if !s.next('"') {
		return nil, false
	}
	start := s.at
	s.run()
	return s.text[start:s.at], s.next('"')
}

// data reads the text of a string, or another value without the whitespace between its parts.
func (s *scanner) data() (data []byte, ok bool) {
	if s.at < len(s.text) && s.text[s.at] == '"' {
		return s.string()
	}
	start := s.at
	s.kept = start
	if !s.value(maxScanDepth) {
		return nil, false
	}
	if s.kept == start {
		return s.text[start:s.at], true
	}
	s.room = append(s.room, s.text[s.kept:s.at]...)
	return s.room, true
}

// string reads a string with short escapes. Those by number may be halves of a character, and are left alone.
func (s *scanner) string() (text []byte, ok bool) {
	if text, ok = s.plain(); ok {
		return text, true
	}
	for s.room = append(s.room, text...); s.next('\\'); {
		c, ok := s.escaped()
		if !ok {
			return nil, false
		}
		s.room = append(s.room, c)
		start := s.at
		s.run()
		s.room = append(s.room, s.text[start:s.at]...)
	}
	return s.room, s.next('"')
}

// escaped reads what follows a backslash (RFC 8259, section 7), but for a number.
func (s *scanner) escaped() (c byte, ok bool) {
	if s.at == len(s.text) {
		return 0, false
	}
	c = s.text[s.at]
	s.at++
	switch c {
	case '"', '\\', '/':
		return c, true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	}
	return 0, false
}
