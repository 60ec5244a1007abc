package http1

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/runnel-dev/runnel/hub/poll"
)

const (
	// scanInterval is how exactly time is kept for connections.
	scanInterval = time.Second
	// wholeWithin is how long a request may come in parts until net/http takes care of it: ample for a body in a packet of its own.
	wholeWithin = time.Second
	// maxHead is how long a header may be that comes in parts, since it is read again with each of them.
	maxHead = 8 << 10
	// answersAtOnce is how many bytes of answers are made before they are sent: a hundred or so. A read may hold 2400 requests, and a client
	// that does not read takes no more memory than this, its last answer and the read.
	answersAtOnce = 16 << 10
	// acceptAtOnce is how many connections a loop accepts before it looks after those that it has: two milliseconds or so. Many wait when
	// readers come back all at once, and who finds the listener's queue full tries again after a second, then two, then four.
	acceptAtOnce = 512
	// lingering is how long a connection waits for its client's end after the last answer, as with net/http.
	lingering = 500 * time.Millisecond
	// maxDropped is how many bytes of a client are read and dropped meanwhile: what a usual client has sent ahead.
	maxDropped = 1 << 20
	// restWhenFull is how long a connection may rest while others wait to be accepted. A busy one rests for less.
	restWhenFull = 2 * time.Second
	// turn is how many sockets a loop serves until others get the processor: a millisecond or so of readers that come back. Without that,
	// a storm of them holds up those who follow.
	turn = 16
)

// listening is the listener's token; those of connections are their descriptors.
const listening = ^poll.Token(0)

// loop serves some of the connections, in one goroutine.
type loop struct {
	front   *Front
	poller  *poll.Poller
	inbox   inbox
	conns   map[poll.Token]*conn
	ready   []poll.Ready
	buffer  []byte // what was read just now
	answers []byte // to what was read just now
	request Request
	clock   clock
	deaf    bool // it does not accept, until the next scan
	served  bool // a request in this round
	phase   int32
}

func newLoop(f *Front) (*loop, error) {
	p, err := poll.New()
	if err != nil {
		return nil, err
	}
	l := &loop{front: f, poller: p, conns: map[poll.Token]*conn{}, buffer: make([]byte, maxRequest), clock: clock{now: time.Now()}}
	l.request.now = &l.clock
	return l, nil
}

// run serves until the front ends.
func (l *loop) run() error {
	defer func() {
		l.closeInbox()
		for _, c := range l.conns {
			l.close(c)
		}
	}()
	if err := l.listen(); err != nil {
		return err
	}
	if err := l.scan(); err != nil { // which sets the time of the next
		return err
	}
	for l.phase < ended && (l.phase < ending || len(l.conns) > 0) {
		var err error
		l.ready, err = l.poller.Wait(l.ready[:0])
		l.clock.now = time.Now()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = l.scan()
		case err == nil:
			l.round()
		}
		if err != nil {
			return fmt.Errorf("waiting for requests: %w", err)
		}
		if l.served {
			l.served = false
			l.front.handler.Rounded()
			runtime.Gosched() // to whom that has woken: while there is always something to read, Wait never rests
		}
	}
	return nil
}

// listen watches the listener. All loops do: the one that is told first of a connection accepts it, for the emptiest of them.
func (l *loop) listen() error {
	err := l.front.control(func(fd int) error { return l.poller.Add(fd, poll.Readable, listening) })
	if errors.Is(err, net.ErrClosed) {
		return nil // the end is near
	}
	return err
}

// round serves all connections that are ready.
func (l *loop) round() {
	for i, r := range l.ready {
		if i > 0 && i%turn == 0 {
			runtime.Gosched()
		}
		if r.Token == listening {
			l.accept()
			continue
		}
		c := l.conns[r.Token]
		if c == nil {
			l.takeGiven()
			c = l.conns[r.Token]
		}
		switch {
		case c == nil: // a process that is just being started may hold on to a closed socket for a moment
		case c.lingers:
			l.drop(c)
		case len(c.unsent) > 0:
			l.resume(c)
		default:
			l.read(c)
		}
	}
}

func (l *loop) accept() {
	for range acceptAtOnce {
		if l.front.isFull() {
			l.front.options.Full()
			l.rest()
			return
		}
		fd, err := l.front.accept()
		switch {
		case err == nil:
			if err := l.front.emptiest().give(given{fd, l.clock.now}); err != nil {
				l.front.options.failed("cannot watch a connection, so it is closed: %w", err)
				_ = poll.CloseSocket(fd)
			}
		case errors.Is(err, poll.ErrAgain) || errors.Is(err, net.ErrClosed):
			return
		case lost(err):
		default:
			// Mostly there is no descriptor left. Who waits is served when there is one again.
			l.front.options.failed("cannot accept a connection, trying again within %v: %w", scanInterval, err)
			l.rest()
			return
		}
	}
}

// pressed reports whether connections had to wait to be accepted just now.
func (l *loop) pressed() bool {
	return l.clock.now.UnixNano()-l.front.full.Load() < int64(2*scanInterval)
}

// rest accepts no more until there may be a descriptor for it again: when a connection of the loop ends, or at the next scan.
func (l *loop) rest() {
	l.front.full.Store(l.clock.now.UnixNano())
	l.deaf = l.front.control(l.poller.Remove) == nil
	l.endLingering()
}

// forget ends watching a connection, whose socket others have now.
func (l *loop) forget(c *conn) {
	_ = l.poller.Remove(c.fd) // it would be watched as long as anybody has the socket
	l.release(c)
}

func (l *loop) close(c *conn) {
	l.release(c)
	_ = poll.CloseSocket(c.fd)
}

func (l *loop) release(c *conn) {
	delete(l.conns, c.token())
	l.inbox.held.Add(-1)
	if l.deaf {
		l.deaf = l.listen() != nil
	}
}

// scan ends what rests for too long. It is called once in scanInterval, and when the front's phase may have changed.
func (l *loop) scan() error {
	// First the deadline, then the phase: who changes the phase sets a deadline after it.
	interval := scanInterval
	if l.phase > serving {
		interval = lingering
	}
	if err := l.poller.SetDeadline(l.clock.now.Add(interval)); err != nil {
		return err
	}
	l.takeGiven()
	if phase := l.front.phase.Load(); phase != l.phase {
		l.phase = phase
		l.end()
		return l.scan() // by the new phase's interval
	}
	if l.deaf {
		l.deaf = false
		if err := l.listen(); err != nil {
			return err
		}
	}
	o := l.front.options
	if l.pressed() {
		o.HeaderTimeout, o.IdleTimeout = min(o.HeaderTimeout, restWhenFull), min(o.IdleTimeout, restWhenFull)
	}
	for _, c := range l.conns {
		rested := l.clock.now.Sub(c.since)
		switch {
		case c.lingers:
			if rested >= lingering {
				l.close(c)
			}
		case len(c.unsent) > 0:
			if rested >= o.WriteTimeout {
				l.close(c)
			}
		case len(c.early) > 0:
			if rested >= l.front.wholeWithin && l.phase == serving {
				l.pass(c, c.early)
			}
		case c.fresh && rested >= o.HeaderTimeout, !c.fresh && rested >= o.IdleTimeout:
			l.close(c)
		}
	}
	return nil
}

// end closes the connections that wait for nothing. What has come meanwhile is served first.
func (l *loop) end() {
	for _, c := range l.conns {
		if len(c.unsent) == 0 && !c.lingers {
			l.read(c)
		}
	}
	for _, c := range l.conns {
		l.closeRested(c)
	}
}

// closeRested ends a connection that its client or the front is to end, unless there is more to send to it, or the rest of a body to
// come.
func (l *loop) closeRested(c *conn) {
	if (c.closing || l.phase > serving) && len(c.unsent) == 0 && c.total == 0 && !c.lingers {
		l.linger(c)
	}
}

// linger tells a client that nothing follows, and waits for its end. A socket that is closed while there is something to read resets its
// connection, and the client loses the answers that it has not read yet.
func (l *loop) linger(c *conn) {
	if l.pressed() || poll.EndWriting(c.fd) != nil { // others wait for the descriptor, or the client is gone
		l.close(c)
		return
	}
	c.lingers, c.since, c.early = true, l.clock.now, nil
}

// endLingering closes the connections that wait for nothing but their client's end, where there are no descriptors left.
func (l *loop) endLingering() {
	for _, c := range l.conns {
		if c.lingers {
			l.close(c)
		}
	}
}

// drop reads what a client sends that is answered no more. A client that sends very much is not read any longer.
func (l *loop) drop(c *conn) {
	n, err := poll.Read(c.fd, l.buffer)
	switch c.dropped += n; {
	case errors.Is(err, poll.ErrAgain):
	case err != nil, n == 0:
		l.close(c)
	case c.dropped >= maxDropped && l.poller.Change(c.fd, 0, c.token()) != nil:
		l.close(c)
	}
}
