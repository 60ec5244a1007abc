package fanout

import (
	"errors"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/poll"
)

const (
	// PieceBytes is how much a connection must take within its stall timeout: what 30 s let through at some 2 kB/s.
	PieceBytes = 64 << 10
	// MaxInput bounds what a client may send after its request, all of which is thrown away.
	MaxInput = 64 << 10
	// Lingering is how long a stream's end waits for the client's own: a connection that is closed while bytes of the client come in
	// takes back what the client has not read yet.
	Lingering = time.Second
)

// phase is how far a socket has come.
type phase uint8

const (
	open    phase = iota
	closing       // its last text is on its way
	ended         // and is sent; the client's end is waited for
	closed
)

// socket is the part of a reader whose shard writes to it. Its loop's alone.
type socket struct {
	fd         int32
	generation uint32
	watched    poll.Events // zero before its loop has taken it over
	phase      phase
	plain      bool // it takes events as the log has them
	// behind says that the reader waits for its turn or for its socket. If not, it is current: it has all that is its up to the
	// shard's position, which its own cursor does not follow.
	behind bool
	failed bool   // the connection is gone
	input  uint32 // bytes that the client sent after its request
	mask   uint64 // of the topics with news in the sweep that is under way
	// waits is nil while the socket takes everything.
	waits *backlog
}

// backlog is what a socket has not taken.
type backlog struct {
	rest []byte
	// since is when the time began in which it must take PieceBytes, of which it took so many.
	since instant
	taken int
}

// Attach sends a reader its opening and then its events on the socket of a connection of plain HTTP/1 after its request, until either side
// ends it. It returns when what there is now is written or waits. The end that the pool decides is told to the reader. The socket does not
// block, and is the pool's from then on. It is only for a pool that HasSockets.
func (p *Pool) Attach(socket int, asked Reader, begin Beginning) {
	r := p.newReader(asked, begin)
	r.fd = int32(socket)
	r.plain = begin.Chunked && asked.Format == event.Format{} && !asked.Sub.Conflates()
	p.enter(r, asked.Until)
	t := texts.Get().(*text)
	defer t.release()
	t.reset(r.chunked)
	t.raw(begin.Head)
	now := p.now()
	if reason := r.barred(now); reason != "" {
		r.finish(t, reason, now)
	} else {
		t.control(r.opening(begin), r.cursor, r.sent)
		r.fill(t, now)
		p.observer.Delivered(r.write(t, now))
	}
	r.shard.hand(r)
}

// HasSockets says whether sockets can be attached.
func (p *Pool) HasSockets() bool { return p.shards[0].poller != nil }

// write sends a text, or as much of it as the socket takes now. What was begun is kept until it takes more. It returns how many events
// and bytes that were; an event that is begun counts.
func (r *reader) write(t *text, now instant) (events, bytes int) {
	n := r.put(t.bytes, now)
	if n == len(t.bytes) || r.failed {
		return t.events, n
	}
	rest, stand, events := t.cut(n)
	r.waits = &backlog{rest: rest, since: now}
	r.cursor, r.sent = stand.cursor, stand.sent
	return events, n
}

// resume sends what is left of a text, and returns how many bytes that were. When it is all, the reader waits no more.
func (r *reader) resume(now instant) (bytes int) {
	w := r.waits
	n := r.put(w.rest, now)
	if w.rest = w.rest[n:]; len(w.rest) == 0 {
		r.waits = nil
		return n
	}
	if w.taken += n; w.taken >= PieceBytes {
		w.since, w.taken = now, 0
	}
	return n
}

func (r *reader) put(b []byte, now instant) int {
	n, err := poll.Write(int(r.fd), b)
	if err != nil && !errors.Is(err, poll.ErrAgain) {
		r.failed = true
	}
	if n > 0 {
		r.touch(now)
		r.taken += n
	}
	return n
}

// finish sends a stream's end after what was begun. The text may hold what comes before.
func (r *reader) finish(t *text, reason Reason, now instant) {
	r.ending.Store(&ending{now, reason})
	r.shard.pool.observer.Ended(reason)
	r.phase = closing
	t.control(r.closing(reason), r.cursor, r.sent)
	t.end()
	if r.waits != nil {
		r.waits.rest = append(r.waits.rest, t.bytes...)
		return
	}
	r.write(t, now)
}

// discard throws away what a client sends after its request. A client that sends very much is cut.
func (r *reader) discard(into []byte) {
	n, err := poll.Read(int(r.fd), into)
	if err != nil && !errors.Is(err, poll.ErrAgain) {
		r.failed = true
	}
	r.input += uint32(n)
	if r.input > MaxInput {
		r.failed = true
	}
}

// deadline is when the next thing happens to the socket by time alone.
func (r *reader) deadline() instant {
	stall := r.shard.pool.settings.Load().Stall
	switch {
	case r.phase == ended:
		return r.waits.since + Lingering
	case r.phase == closing:
		return r.waits.since + stall
	case r.waits != nil:
		return min(r.waits.since+stall, r.ageDue(), instant(r.ends.Load()))
	}
	return r.due()
}

// interest is what the socket is watched for.
func (r *reader) interest() poll.Events {
	if r.waits != nil && r.phase != ended {
		return poll.Readable | poll.Ended | poll.Writable
	}
	return poll.Readable | poll.Ended
}

// token of the socket at its shard's poller: a slot is used again, and a generation tells its readers apart.
func (r *reader) token() poll.Token { return poll.Token(r.slot) | poll.Token(r.generation)<<32 }
