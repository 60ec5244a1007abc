package fanout

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
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

// reader is one connection.
type reader struct {
	pool  *Pool
	shard *shard
	asked Reader
	// wake holds at most one nudge.
	wake     chan struct{}
	since    time.Time
	ageShare float64
	// written is when the connection last took something, in nanoseconds after since.
	written atomic.Int64
	ending  atomic.Pointer[ending]
	place   place // guarded by shard.mu
}

// ending is a decided end.
type ending struct {
	at     time.Time
	reason Reason
}

func (p *Pool) newReader(asked Reader) *reader {
	return &reader{
		pool:     p,
		shard:    p.shards[p.next.Add(1)%uint64(len(p.shards))],
		asked:    asked,
		wake:     make(chan struct{}, 1),
		since:    time.Now(),
		ageShare: minAgeShare + rand.Float64()*(1-minAgeShare),
	}
}

// nudge lets the reader look for news and for what is due.
func (r *reader) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// endAt decides the reader's end, unless an earlier one is decided already.
func (r *reader) endAt(at time.Time, reason Reason) {
	mine := &ending{at, reason}
	for {
		old := r.ending.Load()
		if old != nil && !at.Before(old.at) {
			return
		}
		if r.ending.CompareAndSwap(old, mine) {
			r.shard.schedule(r)
			return
		}
	}
}

// removed says whether the reader may no longer have what it chose.
func (r *reader) removed() bool {
	return !r.asked.Sub.Declared() || r.asked.Granted != nil && !r.asked.Granted()
}

func (r *reader) touch(now time.Time) { r.written.Store(int64(now.Sub(r.since))) }

func (r *reader) heartbeatDue() time.Time {
	return r.since.Add(time.Duration(r.written.Load())).Add(r.interval())
}

// interval is the longest silence.
func (r *reader) interval() time.Duration {
	if r.asked.Heartbeat > 0 {
		return r.asked.Heartbeat
	}
	return r.pool.settings.Load().Heartbeat
}

func (r *reader) ageDue() time.Time {
	return r.since.Add(time.Duration(float64(r.pool.settings.Load().MaxAge) * r.ageShare))
}

// due is when the next thing happens to the reader by time alone.
func (r *reader) due() time.Time {
	due := r.heartbeatDue()
	if age := r.ageDue(); age.Before(due) {
		due = age
	}
	if e := r.ending.Load(); e != nil && e.at.Before(due) {
		due = e.at
	}
	return due
}

// ended returns the reason to end now, or none.
func (r *reader) ended(now time.Time) Reason {
	if e := r.ending.Load(); e != nil && !now.Before(e.at) {
		return e.reason
	}
	if !now.Before(r.ageDue()) {
		return ReasonMaxAge
	}
	return ""
}
