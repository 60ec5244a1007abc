package http1

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runnel-dev/runnel/hub/poll"
)

// The loop that is told first of new connections accepts all that wait, and gives each of them to the loop that has the fewest: a connection
// stays with its loop, and so with one processor, for its life.

// inbox holds the connections that other loops have given to one.
type inbox struct {
	held atomic.Int64 // connections of the loop, those that are given included

	mu     sync.Mutex // held while the loop's poller is used by another one
	given  []given
	closed bool // the loop has ended, or is about to
}

// given is a connection that is accepted.
type given struct {
	fd int
	at time.Time
}

// Connections returns how many connections there are, without those that were taken.
func (f *Front) Connections() int {
	n := f.passed.open.Load()
	for _, l := range f.loops {
		n += l.inbox.held.Load()
	}
	return int(n)
}

// isFull reports whether a new connection has to wait.
func (f *Front) isFull() bool {
	if f.options.Room == nil {
		return false
	}
	room := f.options.Room()
	return room > 0 && f.Connections() >= room
}

// emptiest returns the loop with the fewest connections. Among several, loops take turns.
func (f *Front) emptiest() *loop {
	first := int(f.turns.Add(1) % uint64(len(f.loops)))
	best := f.loops[first]
	fewest := best.inbox.held.Load()
	for i := 1; i < len(f.loops) && fewest > 0; i++ {
		l := f.loops[(first+i)%len(f.loops)]
		if held := l.inbox.held.Load(); held < fewest {
			best, fewest = l, held
		}
	}
	return best
}

// give lets the loop serve a connection, and fails when the loop has ended. Any goroutine may call it.
func (l *loop) give(g given) error {
	l.inbox.mu.Lock()
	defer l.inbox.mu.Unlock()
	if l.inbox.closed {
		return errEnded
	}
	// The loop looks into its inbox when it is told of a connection that it does not know, and at each scan.
	if err := l.poller.Add(g.fd, poll.Readable, poll.Token(g.fd)); err != nil {
		return err
	}
	l.inbox.given = append(l.inbox.given, g)
	l.inbox.held.Add(1)
	return nil
}

var errEnded = errors.New("the loop has ended")

// takeGiven makes the connections that were given to the loop its own.
func (l *loop) takeGiven() {
	l.inbox.mu.Lock()
	all := l.inbox.given
	l.inbox.given = nil
	l.inbox.mu.Unlock()
	for _, g := range all {
		c := &conn{loop: l, fd: g.fd, since: g.at, fresh: true}
		l.conns[c.token()] = c
	}
}

// closeInbox closes the connections that nobody has served yet, and lets no more be given.
func (l *loop) closeInbox() {
	l.inbox.mu.Lock()
	defer l.inbox.mu.Unlock()
	l.inbox.closed = true
	for _, g := range l.inbox.given {
		_ = poll.CloseSocket(g.fd)
	}
	l.inbox.given = nil
}
