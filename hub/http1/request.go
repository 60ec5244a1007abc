package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
)

// Request is valid, with all that it holds, until Serve returns. Its bytes belong to the loop, so what is kept must be copied.
type Request struct {
	// Post tells a POST from a GET; there are no others.
	Post bool
	// Path holds letters, digits and -._~/ alone, and no segment that is empty or begins with a dot, except that it may end with a slash.
	Path []byte
	// RawQuery is what follows the question mark, without it.
	RawQuery []byte
	// Close says that the client wants the connection to end after the answer. A handler may set it before it answers, and wants the same.
	Close bool
	// Body is empty, and not nil, for a POST without any, and nil for a GET.
	Body []byte

	fields []field
	raw    []byte // the whole request
	total  int    // of its bytes, once its header is complete
	now    *clock
	peer   peer
	source bytes.Reader // of HTTP
	buffer *bufio.Reader
}

type field struct{ name, value []byte }

// peer is the connection that a request came by.
type peer interface {
	take() (fd int, ok bool)
	remoteAddr() string
}

// Header returns the first value of a header, without the space around it; nil when there is none. Case does not matter.
func (r *Request) Header(name string) []byte {
	for _, f := range r.fields {
		if len(f.name) == len(name) && equalFold(f.name, name) {
			return f.value
		}
	}
	return nil
}

// Has reports whether a header is there, once or more, with any value.
func (r *Request) Has(name string) bool {
	return slices.ContainsFunc(r.fields, func(f field) bool { return len(f.name) == len(name) && equalFold(f.name, name) })
}

// equalFold compares ASCII of the same length.
func equalFold(a []byte, b string) bool {
	for i, c := range a {
		if c != b[i] && lower(c) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// HTTP makes what net/http makes of the same request, with nothing of the loop in it but the body of a POST, which is good until Serve
// returns. It costs more than most else here.
func (r *Request) HTTP() (*http.Request, error) {
	r.source.Reset(r.raw)
	if r.buffer == nil {
		r.buffer = bufio.NewReader(&r.source)
	}
	r.buffer.Reset(&r.source)
	out, err := http.ReadRequest(r.buffer)
	if err != nil {
		return nil, err
	}
	out.RemoteAddr = r.peer.remoteAddr()
	return out, nil
}

// Take takes the connection away from the loop: the caller owns its socket from then on, returns Taken, and closes it. Answers to requests
// before were sent; when the client has not room for them, Take does nothing and returns false, and the caller returns Pass. What the client
// sent after this request is dropped. The socket does not block.
func (r *Request) Take() (fd int, ok bool) { return r.peer.take() }
