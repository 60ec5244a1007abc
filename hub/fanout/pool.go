// Package fanout brings events from the log to readers. Readers are spread over shards; a shard is one loop that is woken by
// the log, finds out whose topics have news, and keeps the time of its readers. A reader is a cursor into the log: idle, it has
// no queue, no buffer and no timer of its own.
//
// There are two paths. A socket that speaks plain HTTP/1.1 is attached: its shard writes to it, and its reader has no goroutine. Any
// other connection is served through a Sink by a goroutine of its own, woken by its shard: the portable path, for encryption, HTTP/2
// and systems without epoll. Both send the same text. The package knows no HTTP but for the chunks of its version 1.1.
//
// Locks: a shard's mu guards its readers, their index, their wheel and its calls, and is never held while a connection or the log is
// called. What a reader says is its loop's belongs to that goroutine alone.
package fanout

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/poll"
)

// Settings are what a reload may change for readers that are connected.
type Settings struct {
	// Heartbeat is the longest silence on a connection.
	Heartbeat time.Duration
	// HeartbeatMinimum is the shortest silence that a reader may ask for.
	HeartbeatMinimum time.Duration
	// Delay before a reader comes back; each is told a random time between it and twice as much.
	Delay time.Duration
	// MaxAge ends a connection after 0.8 to 1.0 of this time.
	MaxAge time.Duration
	// Stall is how long an attached socket may take for 64 KiB before it is cut.
	Stall time.Duration
}

// Observer is told what happens to readers, for metrics. Its methods may be called concurrently and must not wait.
type Observer interface {
	// Delivered counts events and bytes that connections took.
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
	usual    Options // of nearly all readers, who share it
	began    time.Time
	shards   []*shard
	next     atomic.Uint64
	readers  atomic.Int64
	drained  atomic.Pointer[instant] // when Drain's window ends
	loops    sync.WaitGroup
	ctx      context.Context // of the loops
	stop     context.CancelFunc
}

// New returns a pool that reads from a log, and starts its shards. It is stopped by Close. It fails when the system has no more
// descriptors.
func New(log eventlog.Log, settings Settings, observer Observer) (*Pool, error) {
	ctx, stop := context.WithCancel(context.Background())
	p := &Pool{log: log, observer: observer, began: time.Now(), ctx: ctx, stop: stop}
	p.settings.Store(&settings)
	for range runtime.GOMAXPROCS(0) {
		poller, err := poll.New()
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			p.Close()
			return nil, err
		}
		s := newShard(p, poller)
		p.shards = append(p.shards, s)
		log.Notify(s.news)
		p.loops.Go(func() { s.run(ctx) })
	}
	return p, nil
}

// Restart lets the pool begin where its log is now, which may have another epoch than before. There may be no readers.
func (p *Pool) Restart() {
	head := p.log.Head().Seq
	for _, s := range p.shards {
		select {
		case s.restarts <- head:
		case <-s.ended:
		}
	}
}

// restart begins at a head of the log.
func (s *shard) restart(head uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.position, s.brought = head, head
}

func (p *Pool) epoch() string { return p.log.Head().Epoch }

// instant is a time, as how long after its pool's beginning it is: a third of a time.Time in size.
type instant = time.Duration

func (p *Pool) now() instant { return time.Since(p.began) }

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

// EndRemoved ends the readers of what is no longer declared or no longer granted to them.
func (p *Pool) EndRemoved() {
	now := p.now()
	p.each(func(r *reader) {
		if r.removed() {
			r.endAt(now, ReasonRemoved)
		}
	})
}

// Close stops the shards, and cuts the sockets that are still attached. No reader may be served then.
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
