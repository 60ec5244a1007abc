// Package fanout brings events from the log to readers. Readers are spread over shards; a shard is one loop that is woken by
// the log, finds out whose topics have news, and keeps the time of its readers. A reader is a cursor into the log: idle, it has
// no queue and no timer of its own.
//
// This is the portable path: each reader's own goroutine writes, woken by its shard. It serves every kind of connection that a
// Sink can be made of. It knows no HTTP.
//
// Locks: a shard's mu guards its readers and their index, and is never held while a Sink or the log is called.
package fanout

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runnel-dev/runnel/hub/eventlog"
)

// Sink is the connection of one reader. Its methods are called by one goroutine at a time.
type Sink interface {
	// Write sends text of whole events and returns when the connection has taken it. It fails when the connection is gone, or
	// has taken nothing for as long as the sink allows.
	Write(text []byte) error
}

// Settings are what a reload may change for readers that are connected.
type Settings struct {
	// Heartbeat is the longest silence on a connection.
	Heartbeat time.Duration
	// Delay before a reader comes back; each is told a random time between it and twice as much.
	Delay time.Duration
	// MaxAge ends a connection after 0.8 to 1.0 of this time.
	MaxAge time.Duration
}

// Observer is told what happens to readers, for metrics. Its methods may be called concurrently and must not wait.
type Observer interface {
	// Delivered counts events and bytes that a connection took.
	Delivered(events, bytes int)
	// Gap counts notices of a gap.
	Gap(reason eventlog.Reason)
	// Ended counts readers that left.
	Ended(reason Reason)
}

// Pool is all readers of a hub.
type Pool struct {
	log      eventlog.Log
	observer Observer
	settings atomic.Pointer[Settings]
	shards   []*shard
	next     atomic.Uint64
	readers  atomic.Int64
	drained  atomic.Pointer[time.Time] // when Drain's window ends
	loops    sync.WaitGroup
	stop     context.CancelFunc
}

// New returns a pool that reads from a log, and starts its shards. It is stopped by Close.
func New(log eventlog.Log, settings Settings, observer Observer) *Pool {
	ctx, stop := context.WithCancel(context.Background())
	p := &Pool{log: log, observer: observer, stop: stop}
	p.settings.Store(&settings)
	for range runtime.GOMAXPROCS(0) {
		s := newShard(log)
		p.shards = append(p.shards, s)
		log.Notify(s.news)
		p.loops.Go(func() { s.run(ctx) })
	}
	return p
}

// Readers that are connected now.
func (p *Pool) Readers() int { return int(p.readers.Load()) }

// Configure replaces the settings; connected readers follow at once.
func (p *Pool) Configure(settings Settings) {
	p.settings.Store(&settings)
	p.each(func(r *reader) { r.shard.schedule(r) })
}

// Wake lets the readers of a topic look for news that are no events: that it is complete.
func (p *Pool) Wake(topic string) {
	for _, s := range p.shards {
		s.wakeTopic(topic)
	}
}

// Subscriptions counts how often readers choose a topic. One that chooses it by two selectors counts twice.
func (p *Pool) Subscriptions(topic string) (n int) {
	for _, s := range p.shards {
		n += s.subscriptions(topic)
	}
	return n
}

// Drain ends all readers, spread evenly over a window, and those that still come at the window's end. It returns at once.
func (p *Pool) Drain(window time.Duration) {
	now := time.Now()
	end := now.Add(window)
	p.drained.Store(&end)
	var all []*reader
	p.each(func(r *reader) { all = append(all, r) })
	for i, r := range all {
		r.endAt(now.Add(window*time.Duration(i)/time.Duration(len(all))), ReasonDrain)
	}
}

// EndRemoved ends the readers of what is no longer declared or no longer granted to them.
func (p *Pool) EndRemoved() {
	now := time.Now()
	p.each(func(r *reader) {
		if r.removed() {
			r.endAt(now, ReasonRemoved)
		}
	})
}

// Close stops the shards. No reader may be served then, and none is connected.
func (p *Pool) Close() {
	p.stop()
	p.loops.Wait()
}

func (p *Pool) each(f func(*reader)) {
	for _, s := range p.shards {
		for _, r := range s.snapshot() {
			f(r)
		}
	}
}
