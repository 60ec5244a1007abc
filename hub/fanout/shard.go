package fanout

import (
	"context"
	"sync"
	"time"

	"github.com/runnel-dev/runnel/hub/eventlog"
)

// tick is how exactly time is kept for readers: what is due happens at most this much later.
const tick = 100 * time.Millisecond

// newsLimit is how many entries a shard takes at a time.
const newsLimit = 1024

// shard is one loop with its readers.
type shard struct {
	log  eventlog.Log
	news chan struct{}
	// position is the newest event whose readers were woken. It is the loop's own.
	position uint64

	mu      sync.Mutex
	readers map[*reader]struct{}
	index   index
	wheel   wheel
}

func newShard(log eventlog.Log) *shard {
	return &shard{
		log:      log,
		news:     make(chan struct{}, 1),
		position: log.Head().Seq, // and not when the loop begins: that may be after the first event
		readers:  map[*reader]struct{}{},
		index:    newIndex(),
		wheel:    newWheel(time.Now()),
	}
}

func (s *shard) run(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var entries []*eventlog.Entry
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.news:
			for more := true; more; {
				before := s.position
				entries, s.position, more = s.log.Since(before, newsLimit, entries[:0])
				s.wake(entries, s.position-before > uint64(len(entries))) // whose events were dropped meanwhile cannot be told
				clear(entries)
			}
		case now := <-ticker.C:
			s.keepTime(now)
		}
	}
}

// wake tells the readers of the entries' topics, or all readers.
func (s *shard) wake(entries []*eventlog.Entry, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if all {
		for r := range s.readers {
			r.nudge()
		}
		return
	}
	for i, e := range entries {
		if i > 0 && entries[i-1].Topic == e.Topic {
			continue
		}
		s.index.each(e.Topic, (*reader).nudge)
	}
}

func (s *shard) wakeTopic(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.each(topic, (*reader).nudge)
}

func (s *shard) subscriptions(topic string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.sets(topic, func(chosen set) { n += len(chosen) })
	return n
}

func (s *shard) add(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers[r] = struct{}{}
	s.index.add(r)
	s.wheel.put(r, r.due())
}

func (s *shard) remove(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.readers, r)
	s.index.remove(r)
	s.wheel.take(r)
}

// schedule puts a reader at its next due time.
func (s *shard) schedule(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, here := s.readers[r]; here {
		s.wheel.put(r, r.due())
	}
}

// keepTime nudges the readers for whom something is due.
func (s *shard) keepTime(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wheel.advance(now, func(r *reader) {
		due := r.due() // later than its place on the wheel if it was written to since
		if !now.Before(due) {
			r.nudge()
		}
		s.wheel.put(r, due)
	})
}

func (s *shard) snapshot() []*reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*reader, 0, len(s.readers))
	for r := range s.readers {
		out = append(out, r)
	}
	return out
}
