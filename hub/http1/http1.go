// Package http1 answers short, plain HTTP/1.1 requests in a few loops, without a goroutine or a buffer for each connection. It understands
// a narrow part of HTTP alone: a connection that sends anything else goes to net/http, together with all that was not answered yet, and
// stays there. So what a server answers to whatever is unusual, and how, is net/http's matter.
//
// It is there on Linux, for TCP in clear text; elsewhere New fails with errors.ErrUnsupported.
package http1

import (
	"fmt"
	"net"
	"time"
)

// Handler answers requests. Each loop calls it, several at the same time. It must not block: all connections of the loop would wait.
type Handler interface {
	// Serve appends the whole answer to answers, which hold those of requests before, and returns them with Answered. With Pass and
	// Taken it returns anything, and must not have appended. When it panics, its connection ends after the answers before, unless it was
	// taken.
	Serve(r *Request, answers []byte) ([]byte, Verdict)
	// Rounded is called when a loop has served all requests that were there at the same time, at least one. What Serve leaves to do for
	// many requests at once belongs here; answers may have been sent before.
	Rounded()
}

// Verdict is what becomes of a request.
type Verdict int

// The verdicts.
const (
	// Pass gives the request, and with it the connection, to net/http. Nothing may have been done for it.
	Pass Verdict = iota
	// Answered keeps the connection for further requests, unless the client wants it to end.
	Answered
	// Taken leaves the connection to who called Take.
	Taken
)

// Options of a Front.
type Options struct {
	// HeaderTimeout bounds how long a new connection may rest until its first request, IdleTimeout how long one rests between requests, and
	// WriteTimeout how long answers may wait for a client that does not read them. All three are kept to within a second. A request that does
	// not come as a whole goes to net/http, whose own timeouts begin when ours did.
	HeaderTimeout, IdleTimeout, WriteTimeout time.Duration
	// KeepAlive is set on all connections, also those that are passed on. Zero values in it are the system's. Not enabled leaves what the
	// listener has.
	KeepAlive net.KeepAliveConfig
	// GetOnly says that the handler passes every POST, so that net/http is given one as soon as its first line is there. One that comes as a
	// whole is still the handler's to pass.
	GetOnly bool
	// Closing reports whether each answer ends its connection, as the answers of a server do that is about to go; nil is never. It is asked
	// for each request.
	Closing func() bool
	// Room is how many connections the front may have at a time, those included that it passed on and not those that were taken; 0 or nil
	// is any number. While it has as many, new ones wait, connections that rest for longer than a moment are closed, and Full is called
	// each time that one waits.
	Room func() int
	Full func()
	// Panicked is told what a handler panics with, by the goroutine that does; nil is nobody.
	Panicked func(value any)
	// Failed is told why a connection cannot be accepted, or not be served once it is: mostly there is no descriptor left. Nil is nobody.
	Failed func(err error)
}

func (o Options) failed(format string, args ...any) {
	if o.Failed != nil {
		o.Failed(fmt.Errorf(format, args...))
	}
}
