package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// reply reads the answers to a publisher's requests on one connection, one after the other.
type reply struct {
	text    []byte // of the head, then of the body
	headed  bool
	status  int
	left    int // of a body with a length
	chunked bool
	chunks  chunks
}

var errReply = errors.New("the answer is not HTTP/1.1")

// read takes the next bytes. done says that an answer is whole; the caller then looks at it and calls reset.
func (r *reply) read(b []byte) (done bool, err error) {
	if !r.headed {
		r.text = append(r.text, b...)
		end := bytes.Index(r.text, []byte("\r\n\r\n"))
		if end < 0 {
			if len(r.text) > maxReplyHead {
				return false, errReply
			}
			return false, nil
		}
		if err := r.readHead(r.text[:end+2]); err != nil {
			return false, err
		}
		b = r.text[end+4:]
		if r.headed = true; !r.chunked {
			r.left -= len(b)
			r.text = append(r.text[:0], b...)
			return r.left == 0, r.overrun()
		}
		b = bytes.Clone(b) // which is behind what is written now
		r.text = r.text[:0]
	} else if !r.chunked {
		r.text = append(r.text, b...)
		r.left -= len(b)
		return r.left == 0, r.overrun()
	}
	for len(b) > 0 {
		data, rest, err := r.chunks.next(b)
		if err != nil {
			return false, err
		}
		r.text = append(r.text, data...)
		b = rest
	}
	return r.chunks.part == chunkOver, nil
}

// overrun: there is one request at a time, and nothing to come after its answer.
func (r *reply) overrun() error {
	if r.left < 0 {
		return fmt.Errorf("%w: there is more than it says", errReply)
	}
	return nil
}

const (
	// maxReplyHead bounds the head of an answer.
	maxReplyHead = 16 << 10
	statusAt     = len("HTTP/1.1 ")
)

// readHead reads what tells a body's end.
func (r *reply) readHead(head []byte) (err error) {
	if len(head) < statusAt+3 || !bytes.HasPrefix(head, []byte("HTTP/1.1 ")) {
		return errReply
	}
	if r.status, err = strconv.Atoi(string(head[statusAt : statusAt+3])); err != nil {
		return errReply
	}
	r.chunked = hasChunks(head)
	if r.chunked {
		return nil
	}
	if value, ok := field(head, "content-length"); ok {
		if r.left, err = strconv.Atoi(string(value)); err != nil || r.left < 0 {
			return errReply
		}
	}
	return nil
}

// hasChunks says whether an answer's head announces a chunked body.
func hasChunks(head []byte) bool {
	value, ok := field(head, "transfer-encoding")
	return ok && bytes.EqualFold(value, []byte("chunked"))
}

// field finds a header field; name is in lower case.
func field(head []byte, name string) (value []byte, ok bool) {
	for len(head) > 0 {
		var line []byte
		line, head, _ = bytes.Cut(head, []byte("\r\n"))
		if len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return bytes.TrimSpace(line[len(name)+1:]), true
		}
	}
	return nil, false
}

// refused returns how many of a request's n events were refused, and with what text.
func (r *reply) refused(n, lines int) (int, string) {
	if r.status/100 != 2 {
		return n, fmt.Sprintf("status %d: %.*s", r.status, shown, r.text)
	}
	if lines == 0 {
		return 0, ""
	}
	failed := bytes.Count(r.text, []byte(`"error"`)) + n - bytes.Count(r.text, []byte{'\n'})
	if failed == 0 {
		return 0, ""
	}
	return failed, fmt.Sprintf("results %.*s", shown, r.text)
}

func (r *reply) reset() { *r = reply{text: r.text[:0]} }
