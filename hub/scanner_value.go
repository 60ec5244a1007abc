package hub

import (
	"unicode/utf16"
	"unicode/utf8"
)

// value takes any value of data, nested at most depth times, and puts what comes before whitespace into room.
func (s *scanner) value(depth int) bool {
	if s.at == len(s.text) || depth == 0 {
		return false
	}
	switch c := s.text[s.at]; c {
	case '{':
		return s.list('}', func() bool { return s.verbatim() && s.gap() && s.next(':') && s.gap() && s.value(depth-1) })
	case '[':
		return s.list(']', func() bool { return s.value(depth - 1) })
	case '"':
		return s.verbatim()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

// list takes items and the commas between them, up to its end.
func (s *scanner) list(end byte, item func() bool) bool {
	s.at++
	s.gap()
	if s.next(end) {
		return true
	}
	for item() && s.gap() {
		switch {
		case s.next(end):
			return true
		case !s.next(','):
			return false
		}
		s.gap()
	}
	return false
}

// gap leaves out whitespace inside of data. It is always true.
func (s *scanner) gap() bool {
	if s.at == len(s.text) || !isSpace(s.text[s.at]) {
		return true
	}
	s.room = append(s.room, s.text[s.kept:s.at]...)
	s.space()
	s.kept = s.at
	return true
}

// verbatim takes a string whose escapes stay what they are.
func (s *scanner) verbatim() bool {
	if !s.next('"') {
		return false
	}
	for s.run(); s.next('\\'); s.run() {
		if s.next('u') {
			if !s.character() {
				return false
			}
		} else if _, ok := s.escaped(); !ok {
			return false
		}
	}
	return s.next('"')
}

// character takes the digits of an escape by number, and the escape that follows where the two are halves of one character.
func (s *scanner) character() bool {
	unit, ok := s.hex()
	if !ok || !utf16.IsSurrogate(unit) {
		return ok
	}
	if !s.next('\\') || !s.next('u') {
		return false
	}
	low, ok := s.hex()
	return ok && utf16.DecodeRune(unit, low) != utf8.RuneError
}

// hex takes the four digits of an escape by number.
func (s *scanner) hex() (unit rune, ok bool) {
	const digits = 4
	for range digits {
		if s.at == len(s.text) || !isHex(s.text[s.at]) {
			return 0, false
		}
		unit = unit<<4 | hexValue(s.text[s.at])
		s.at++
	}
	return unit, true
}

func hexValue(c byte) rune {
	if isDigit(c) {
		return rune(c - '0')
	}
	return rune(c|' ') - 'a' + 10
}

func isHex(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (s *scanner) literal(word string) bool {
	end := s.at + len(word)
	if end > len(s.text) || string(s.text[s.at:end]) != word {
		return false
	}
	s.at = end
	return true
}

// number takes a number (RFC 8259, section 6).
func (s *scanner) number() bool {
	s.next('-')
	if !s.next('0') && !s.digits() {
		return false
	}
	if s.next('.') && !s.digits() {
		return false
	}
	if s.next('e') || s.next('E') {
		if !s.next('+') {
			s.next('-')
		}
		return s.digits()
	}
	return true
}

// digits takes one or more.
func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && isDigit(s.text[s.at]) {
		s.at++
	}
	return s.at > start
}
