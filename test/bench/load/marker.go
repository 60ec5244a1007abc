package load

import (
	"bytes"
	"encoding/binary"
	"time"
)

// A marker is `#`, 16 hexadecimal digits of nanoseconds since the course's start, `-`, 8 of the sequence number, and `#`. No
// server adds a `#` of its own to a stream, and JSON and event streams take it as it is.
const (
	markerEdge  = '#'
	timeDigits  = 16
	seqDigits   = 8
	markerBytes = 1 + timeDigits + 1 + seqDigits + 1
	// filler is the rest of a payload.
	filler = 'x'
)

// MinSize is the smallest payload: a marker alone.
const MinSize = markerBytes

const hexDigits = "0123456789abcdef"

// mark is what a marker says.
type mark struct {
	sent time.Duration
	seq  uint32
}

// put writes a marker to the beginning of a payload.
func (m mark) put(payload []byte) {
	payload = payload[:markerBytes]
	payload[0], payload[1+timeDigits], payload[markerBytes-1] = markerEdge, '-', markerEdge
	putHex(payload[1:1+timeDigits], uint64(m.sent))
	putHex(payload[2+timeDigits:markerBytes-1], uint64(m.seq))
}

func putHex(to []byte, v uint64) {
	for i := len(to) - 1; i >= 0; i-- {
		to[i] = hexDigits[v&15]
		v >>= 4
	}
}

// readMark reads a text of markerBytes that begins with the edge.
func readMark(text []byte) (m mark, ok bool) {
	text = text[:markerBytes]
	if text[markerBytes-1] != markerEdge || text[1+timeDigits] != '-' {
		return m, false
	}
	sent, ok := eightDigits(text[1:])
	sentLow, okLow := eightDigits(text[1+timeDigits/2:])
	seq, okSeq := eightDigits(text[2+timeDigits:])
	return mark{time.Duration(uint64(sent)<<32 | uint64(sentLow)), seq}, ok && okLow && okSeq
}

// eightDigits reads eight lower-case hexadecimal digits, all at once: it runs for each delivery.
func eightDigits(text []byte) (uint32, bool) {
	const (
		ones  = 0x0101010101010101
		highs = ones << 7
	)
	v := binary.BigEndian.Uint64(text)
	if v&highs != 0 {
		return 0, false
	}
	// In a byte below 128, adding 128-c sets the high bit from c on.
	from := func(c uint64) uint64 { return (v + (128-c)*ones) & highs }
	digit := from('0') &^ from('9'+1)
	letter := from('a') &^ from('f'+1)
	if digit|letter != highs {
		return 0, false
	}
	v = v&(0x0f*ones) + 9*(letter>>7)
	v = (v | v>>4) & 0x00ff00ff00ff00ff
	v = (v | v>>8) & 0x0000ffff0000ffff
	return uint32(v | v>>16), true
}

// scanner finds markers in a text that comes in pieces.
type scanner struct {
	tail [markerBytes]byte // what may be a marker's beginning
	n    uint8
}

// next finds the first marker in what was kept and b; rest is what follows it. Without one, all of b is seen.
func (s *scanner) next(b []byte) (m mark, rest []byte, found bool) {
	for s.n > 0 {
		taken := copy(s.tail[s.n:], b)
		s.n += uint8(taken)
		b = b[taken:]
		if s.n < markerBytes {
			return m, nil, false
		}
		if m, found = readMark(s.tail[:]); found {
			s.n = 0
			return m, b, true
		}
		s.n = 0
		if i := bytes.IndexByte(s.tail[1:], markerEdge); i >= 0 {
			s.n = uint8(copy(s.tail[:], s.tail[1+i:]))
		}
	}
	for {
		i := bytes.IndexByte(b, markerEdge)
		if i < 0 {
			return m, nil, false
		}
		b = b[i:]
		if len(b) < markerBytes {
			s.n = uint8(copy(s.tail[:], b))
			return m, nil, false
		}
		if m, found = readMark(b); found {
			return m, b[markerBytes:], true
		}
		b = b[1:]
	}
}
