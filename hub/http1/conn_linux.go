package http1

import (
	"bytes"
	"errors"
	"time"

	"github.com/runnel-dev/runnel/hub/poll"
)

// conn is a connection of a loop.
type conn struct {
	loop *loop
	fd   int
	// early is a part of a request, or what is to be served or passed on as soon as the answers before it are sent.
	early []byte
	// total is how long the request is that early is a part of, once its header has come; else 0.
	total int
	// unsent are answers that the client had no room for. Nothing is read until it has taken them.
	unsent []byte
	// since is when what it waits for began: its first request from when it was accepted, the next one from the answer before, the rest of a
	// request's header from the first part, the rest of a body from the header's end, room for answers from when there was none.
	since time.Time
	// fresh says that no request has come yet.
	fresh bool
	// posted says that the last request was a POST.
	posted bool
	// passing is to be passed on as soon as the answers are sent.
	passing bool
	// whole says that what is passed on begins with a whole request.
	whole bool
	// closing ends when the answers are sent.
	closing bool
	// lingers is told that nothing follows, and waits for the client's end since since. What it still sent is so many bytes.
	lingers bool
	dropped int
	// taken belongs to a handler.
	taken bool
}

func (c *conn) token() poll.Token { return poll.Token(c.fd) }

// read reads what there is, and serves it.
func (l *loop) read(c *conn) {
	if c.total > 0 {
		l.readBody(c)
		return
	}
	had := copy(l.buffer, c.early)
	n, err := poll.Read(c.fd, l.buffer[had:])
	if l.usable(c, n, err) {
		l.serve(c, l.buffer[:had+n])
	}
}

// readBody adds what there is to early, which grows with what has come, not with what was announced.
func (l *loop) readBody(c *conn) {
	n, err := poll.Read(c.fd, l.buffer[:c.total-len(c.early)])
	if !l.usable(c, n, err) {
		return
	}
	if c.early = append(c.early, l.buffer[:n]...); len(c.early) == c.total {
		l.serve(c, c.early)
	}
}

// usable says whether a read brought anything. It takes care of connections that have ended.
func (l *loop) usable(c *conn, n int, err error) bool {
	switch {
	case errors.Is(err, poll.ErrAgain):
	case err != nil:
		l.close(c)
	case n == 0 && len(c.early) > 0 && l.phase == serving:
		l.pass(c, c.early) // net/http knows what half a request is worth
	case n == 0:
		l.close(c)
	default:
		return true
	}
	return false
}

// serve answers the requests that b holds. What follows them is kept, or passed on.
func (l *loop) serve(c *conn, b []byte) {
	for {
		if len(l.answers) >= answersAtOnce {
			if l.flush(c) != nil {
				l.close(c)
				return
			}
			if len(c.unsent) > 0 {
				c.early, c.total = bytes.Clone(b), 0
				return
			}
		}
		if c.posted {
			b = withoutLineEnds(b)
		}
		if len(b) == 0 {
			c.early, c.total = nil, 0
			break
		}
		n, found := l.request.parse(b)
		unwanted := l.request.Post && l.front.options.GetOnly
		if found == partial && !unwanted && (l.request.total > 0 || len(b) < maxHead) {
			l.keep(c, b)
			break
		}
		if found != whole || !l.answer(c) {
			if !c.taken {
				c.whole = found == whole
				l.pass(c, b)
			}
			return
		}
		if b = b[n:]; l.request.Close {
			b, c.closing = nil, true
		}
	}
	if l.flush(c) != nil {
		l.close(c)
		return
	}
	l.closeRested(c)
}

// answer says whether the request was answered. A handler that panics has answered with the end of the connection, as with net/http.
func (l *loop) answer(c *conn) (answered bool) {
	defer func() {
		if err := recover(); err != nil {
			if l.front.options.Panicked != nil {
				l.front.options.Panicked(err)
			}
			l.request.Close = true
			answered = !c.taken
		}
	}()
	l.served = true
	c.since = l.clock.now
	l.request.peer = c
	l.request.Close = l.request.Close || l.front.leaving()
	answers, verdict := l.front.handler.Serve(&l.request, l.answers)
	if verdict != Answered || c.taken {
		return false
	}
	l.answers = answers
	c.fresh, c.posted = false, l.request.Post
	return true
}

// keep keeps the part of a request until the rest of it comes.
func (l *loop) keep(c *conn, b []byte) {
	total := l.request.total
	if total > 0 || !c.fresh && len(c.early) == 0 {
		c.since = l.clock.now
	}
	c.early = bytes.Clone(b)
	c.total = total
}

// flush sends the answers. What the client has no room for waits. It fails when the connection is of no use any more.
func (l *loop) flush(c *conn) error {
	if len(l.answers) == 0 {
		return nil
	}
	n, err := send(c.fd, l.answers)
	if err == nil && n < len(l.answers) {
		c.unsent, c.since = bytes.Clone(l.answers[n:]), l.clock.now
		err = l.poller.Change(c.fd, poll.Writable, c.token())
	}
	l.answers = l.answers[:0]
	return err
}

// resume sends on.
func (l *loop) resume(c *conn) {
	n, err := send(c.fd, c.unsent)
	if err != nil {
		l.close(c)
		return
	}
	if c.unsent = c.unsent[n:]; len(c.unsent) > 0 {
		return
	}
	c.unsent, c.since = nil, l.clock.now
	if c.passing {
		l.pass(c, c.early)
		return
	}
	if l.poller.Change(c.fd, poll.Readable, c.token()) != nil {
		l.close(c)
		return
	}
	if len(c.early) > 0 {
		l.serve(c, c.early)
		return
	}
	l.closeRested(c)
}

// pass gives a connection to net/http, with what has come and was not answered.
func (l *loop) pass(c *conn, early []byte) {
	p := &passed{early: bytes.Clone(early), deadlines: 1} // for the header
	if c.total > 0 {
		p.deadlines++ // and for the body
	}
	if c.fresh || len(c.early) > 0 {
		p.late = l.clock.now.Sub(c.since)
	}
	if l.flush(c) != nil {
		l.close(c)
		return
	}
	if len(c.unsent) > 0 {
		c.early, c.total, c.passing = p.early, 0, true
		return
	}
	l.forget(c)
	var err error
	if p.TCPConn, err = connection(c.fd, l.front.options.KeepAlive); err != nil {
		l.front.options.failed("cannot pass a connection on, so it is closed: %w", err)
		return
	}
	l.front.passed.put(p, c.whole)
}

// take implements peer.
func (c *conn) take() (fd int, ok bool) {
	if c.loop.flush(c) != nil || len(c.unsent) > 0 {
		return -1, false
	}
	c.taken = true
	c.loop.forget(c)
	return c.fd, true
}

// remoteAddr implements peer.
func (c *conn) remoteAddr() string { return remote(c.fd) }

// withoutLineEnds drops what some clients send after a body (RFC 9112, section 2.2), as much as net/http does.
func withoutLineEnds(b []byte) []byte {
	const atMost = 4
	head := b[:min(len(b), atMost)]
	return b[len(head)-len(bytes.TrimLeft(head, "\r\n")):]
}
