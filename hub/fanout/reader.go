package fanout

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

// Reason says why a reader left.
type Reason string

// The reasons of an end. All but ReasonClient are told to the reader as far as its connection takes it.
const (
	// ReasonDrain: the hub stops.
	ReasonDrain Reason = "drain"
	// ReasonMaxAge: the connection has lived as long as it may.
	ReasonMaxAge Reason = "max_age"
	// ReasonTokenExpired: what let the reader in has expired.
	ReasonTokenExpired Reason = "token_expired"
	// ReasonSlow: the reader cannot keep up.
	ReasonSlow Reason = "slow_consumer"
	// ReasonOverloaded: the hub cannot take another reader now.
	ReasonOverloaded Reason = "overloaded"
	// ReasonRemoved: what the reader chose is no longer there.
	ReasonRemoved Reason = "gone"
	// ReasonComplete: every topic that the reader chose has had its last event, and the reader has it.
	ReasonComplete Reason = "complete"
	// ReasonClient: the reader closed the connection.
	ReasonClient Reason = "client"
)

// minAgeShare is the earliest part of Settings.MaxAge at which a connection ends: the spread keeps readers that came together
// from coming back together.
const minAgeShare = 0.8

// maxOverflows in a row, without catching up between them, make a reader a slow one. Those that come before it has taken another batch
// count as one: a socket that is full for a moment meets several.
const maxOverflows = 3

// Reader is what a connection asked for.
type Reader struct {
	Options
	// Sub reads what it chose. It stays the caller's.
	Sub *eventlog.Subscription
	// Until is when the reader's permission ends; the zero time is never.
	Until time.Time
	// Owner knows more of the reader; nil is nobody.
	Owner Owner
}

// Owner is who let a reader in.
type Owner interface {
	// Granted says whether the reader still has its permission. It is asked after each reload.
	Granted() bool
	// Left is told, once, when the socket of an attached reader is closed. It must not wait.
	Left(reason Reason)
}

// Options are how a reader wants its stream. The zero Options are those of nearly all.
type Options struct {
	// Heartbeat is the longest silence; zero is that of the settings, which also say how short it may be.
	Heartbeat time.Duration
	// Pings sends heartbeats as events, so that a page can notice a connection that is dead in one direction.
	Pings bool
	// Quiet sends nothing of the hub's own but comments. Its cursor moves with events alone, since parsers of some clients fail at a block
	// without data.
	Quiet bool
	// FailOnGap ends the connection in place of a gap in mid-stream.
	FailOnGap bool
	// Format is how events are sent.
	Format event.Format
	// Flush is how long events are gathered before a write; zero is not at all. Only Serve knows it.
	Flush time.Duration
}

// Beginning is how a stream begins.
type Beginning struct {
	// Opening of the reader's subscription.
	Opening eventlog.Opening
	// Requested is the cursor that the reader gave, for its gap notice.
	Requested string
	// Ignored are names of parameters that had no effect.
	Ignored []string
	// Padding sends a comment of 2 KiB first, for clients that wait for so much.
	Padding bool
	// Head is sent before all else: that of a response which nobody else writes.
	Head []byte
	// Chunked says that the body is sent in chunks; else it is sent as it is, and its end is the connection's or somebody else's to say.
	Chunked bool
}

// reader is one connection.
type reader struct {
	// What a delivery looks at comes first and close together: for thousands of readers in a row, each line of memory costs more than all
	// that is done with it.

	// wake holds at most one nudge for the goroutine of a reader that is served. It is nil for an attached one.
	wake    chan struct{}
	socket  // zero for a reader that is served
	chunked bool
	// cursor and sent belong to the goroutine that writes: everything up to the one is sent, unless the socket says that it is current; the
	// other is the newest id that was sent.
	cursor, sent uint64
	// written is when the connection last took something, ends when the reader ends for what ending says.
	written, ends atomic.Int64

	shard    *shard
	sub      *eventlog.Subscription
	owner    Owner
	options  *Options
	since    instant
	ending   atomic.Pointer[ending]
	ageShare float32

	// Of the goroutine that writes too.
	overflows uint8
	taken     int  // bytes since the last overflow that counted
	complete  bool // nothing follows and nothing ever will

	// Guarded by the shard's mu.
	place  place
	slot   uint32
	handed bool // over to its loop
	called bool
	// abreast is where a reader that is served was current when it was called: up to there nothing is left that is its.
	abreast uint64
}

// never is later than any instant.
const never = instant(math.MaxInt64)

// ending is a decided end.
type ending struct {
	at     instant
	reason Reason
}

func (p *Pool) newReader(asked Reader, begin Beginning) *reader {
	r := &reader{
		shard:    p.shards[p.next.Add(1)%uint64(len(p.shards))],
		sub:      asked.Sub,
		owner:    asked.Owner,
		options:  &p.usual,
		since:    p.now(),
		ageShare: minAgeShare + rand.Float32()*(1-minAgeShare),
		cursor:   begin.Opening.Cursor.Seq,
		sent:     begin.Opening.Cursor.Seq,
		chunked:  begin.Chunked,
	}
	if asked.Options != p.usual {
		r.options = &asked.Options
	}
	r.ends.Store(int64(never))
	r.touch(r.since)
	return r
}

// enter counts a reader in, and decides for it what was decided for all before it was among them.
func (p *Pool) enter(r *reader, until time.Time) {
	p.readers.Add(1)
	r.shard.add(r)
	if end := p.drained.Load(); end != nil {
		r.endAt(*end, ReasonDrain)
	}
	if !until.IsZero() {
		r.endAt(until.Sub(p.began), ReasonTokenExpired)
	}
	if r.removed() {
		r.endAt(p.now(), ReasonRemoved)
	}
}

// leave counts a reader out.
func (p *Pool) leave(r *reader) {
	r.shard.remove(r)
	p.readers.Add(-1)
}

// endAt decides the reader's end, unless an earlier one is decided already.
func (r *reader) endAt(at instant, reason Reason) {
	mine := &ending{at, reason}
	for {
		old := r.ending.Load()
		if old != nil && at >= old.at {
			return
		}
		if r.ending.CompareAndSwap(old, mine) {
			break
		}
	}
	for old := r.ends.Load(); int64(at) < old && !r.ends.CompareAndSwap(old, int64(at)); old = r.ends.Load() {
	}
	r.shard.schedule(r)
}

// removed says whether the reader may no longer have what it chose.
func (r *reader) removed() bool {
	return !r.sub.Declared() || r.owner != nil && !r.owner.Granted()
}

func (r *reader) touch(now instant) { r.written.Store(int64(now)) }

func (r *reader) heartbeatDue() instant { return instant(r.written.Load()) + r.interval() }

// interval is the longest silence.
func (r *reader) interval() time.Duration {
	settings := r.shard.pool.settings.Load()
	if r.options.Heartbeat > 0 {
		return max(r.options.Heartbeat, settings.HeartbeatMinimum)
	}
	return settings.Heartbeat
}

func (r *reader) ageDue() instant {
	return r.since + time.Duration(float64(r.shard.pool.settings.Load().MaxAge)*float64(r.ageShare))
}

// due is when the next thing happens to the reader by time alone.
func (r *reader) due() instant {
	return min(r.heartbeatDue(), r.ageDue(), instant(r.ends.Load()))
}

// ended returns the reason to end now, or none.
func (r *reader) ended(now instant) Reason {
	if now >= instant(r.ends.Load()) {
		return r.ending.Load().reason
	}
	if now >= r.ageDue() {
		return ReasonMaxAge
	}
	return ""
}

// barred returns the reason for which the reader is sent nothing more, not even what waits for it, or none.
func (r *reader) barred(now instant) Reason {
	if now < instant(r.ends.Load()) { // nearly always
		return ""
	}
	if reason := r.ended(now); reason == ReasonRemoved || reason == ReasonTokenExpired {
		return reason
	}
	return ""
}

// over returns the reason to end when what there was is sent, or none.
func (r *reader) over(now instant) Reason {
	switch reason := r.ended(now); {
	case reason != "":
		return reason
	case r.complete:
		return ReasonComplete
	case r.overrun():
		return ReasonSlow
	}
	return ""
}

// overflowed notes that events were lost before the reader read them.
func (r *reader) overflowed() {
	if r.overflows == 0 || r.taken >= batchBytes {
		r.overflows++
		r.taken = 0
	}
}

// caughtUp notes that the reader has all that was read for it, and whether more waits.
func (r *reader) caughtUp(more bool) {
	if !more && !r.options.FailOnGap {
		r.overflows = 0
	}
}

// overrun says whether the reader has lost more than it may.
func (r *reader) overrun() bool {
	return r.overflows >= maxOverflows || r.overflows > 0 && r.options.FailOnGap
}
