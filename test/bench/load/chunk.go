package load

import (
	"bytes"
	"errors"
)

var errChunk = errors.New("the body is not chunked as RFC 9112, section 7.1, says")

// chunkPart is what of a chunk comes next.
type chunkPart uint8

const (
	chunkSize      chunkPart = iota // the digits of its size
	chunkExtension                  // the rest of that line
	chunkData
	chunkEnd  // the line end after its data
	chunkLast // the line of size 0 is over: trailers and the empty line are left
	chunkOver
)

// maxChunk bounds a chunk's size, so that it is read without an overflow.
const maxChunk = 1 << 30

// chunks decodes a chunked body (RFC 9112, section 7.1) that comes in pieces.
type chunks struct {
	left   int32 // of the data, or while its digits are read the size
	part   chunkPart
	digits bool // at least one was read
	blank  bool // nothing but CR is in the current trailer line
}

// next returns the data with which b begins, which may be none, and what of b is left after it.
func (c *chunks) next(b []byte) (data, rest []byte, err error) {
	for len(b) > 0 {
		switch c.part {
		case chunkData:
			n := min(len(b), int(c.left))
			if c.left -= int32(n); c.left == 0 {
				c.part = chunkEnd
			}
			return b[:n], b[n:], nil
		case chunkExtension:
			i := bytes.IndexByte(b, '\n')
			if i < 0 {
				return nil, nil, nil
			}
			b = b[i+1:]
			c.begin()
			continue
		case chunkOver:
			return nil, b, errChunk
		}
		ch := b[0]
		b = b[1:]
		if err := c.step(ch); err != nil {
			return nil, nil, err
		}
		if c.part == chunkOver {
			return nil, b, nil
		}
	}
	return nil, nil, nil
}

// step takes one byte outside of a chunk's data.
func (c *chunks) step(ch byte) error {
	switch c.part {
	case chunkSize:
		return c.size(ch)
	case chunkEnd:
		if ch == '\n' {
			c.part, c.digits = chunkSize, false
		} else if ch != '\r' {
			return errChunk
		}
	case chunkLast:
		switch {
		case ch == '\n' && c.blank:
			c.part = chunkOver
		case ch == '\n':
			c.blank = true
		case ch != '\r':
			c.blank = false
		}
	}
	return nil
}

// size takes a byte of the line with a chunk's size.
func (c *chunks) size(ch byte) error {
	digit, ok := hexValue(ch)
	switch {
	case ok && c.left < maxChunk/16:
		c.left, c.digits = c.left*16+digit, true
	case ok || !c.digits:
		return errChunk
	case ch == '\n':
		c.begin()
	case ch == '\r' || ch == ';' || ch == ' ' || ch == '\t':
		c.part = chunkExtension
	default:
		return errChunk
	}
	return nil
}

// begin is at the end of the line with the size.
func (c *chunks) begin() {
	c.part = chunkData
	if c.left == 0 {
		c.part, c.blank = chunkLast, true
	}
}

func hexValue(ch byte) (int32, bool) {
	switch {
	case '0' <= ch && ch <= '9':
		return int32(ch - '0'), true
	case 'a' <= ch|0x20 && ch|0x20 <= 'f':
		return int32(ch|0x20-'a') + 10, true
	}
	return 0, false
}
