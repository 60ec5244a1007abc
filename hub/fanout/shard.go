package fanout

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/runnel-dev/runnel/hub/poll"
)

// tick is how exactly time is kept for readers: what is due happens at most this much later.
const tick = 100 * time.Millisecond

// shard is one loop with its readers.
type shard struct {
	pool   *Pool
	news   chan struct{} // there are events
	called chan struct{} // there are calls
	// restarts are heads of the log to begin at; ended is closed when nobody takes them any more.
	restarts chan uint64
	ended    chan struct{}
	poller   *poll.Poller // nil where there is none

	mu      sync.Mutex
	slots   []*reader
	free    []uint32
	index   index
	wheel   wheel
	calls   []*reader // attached ones that have something to see to
	brought uint64    // position up to which readers that are served have been called to what is theirs
	stopped bool

	// What follows is the loop's own.

	// position is the newest event that all current readers have, as far as it is theirs.
	position   uint64
	generation uint32
	sweep      sweep
	text       text
	turns      []*reader // that are behind and whose socket takes more
	due        []*reader // of the tick that is served
	input      []byte
	delivered  struct{ events, bytes int }
}

// inputBytes is what is read at once of what clients send after their requests: next to nothing, from nearly all of them.
const inputBytes = 4 << 10

func newShard(p *Pool, poller *poll.Poller) *shard {
	head := p.log.Head().Seq
	return &shard{
		pool:     p,
		news:     make(chan struct{}, 1),
		called:   make(chan struct{}, 1),
		restarts: make(chan uint64),
		ended:    make(chan struct{}),
		poller:   poller,
		position: head, // and not when the loop begins: that may be after the first event
		brought:  head,
		index:    newIndex(),
		input:    make([]byte, inputBytes),
	}
}

// nudge lets a reader look for news and for what is due. One that is about to be handed over will do so then. The shard is locked.
func (s *shard) nudge(r *reader) {
	if r.wake != nil {
		signal(r.wake)
		return
	}
	if r.handed && !r.called {
		r.called = true
		s.calls = append(s.calls, r)
		signal(s.called)
	}
}

// call tells a reader that is served of events, before they count as brought. The shard is locked.
func (s *shard) call(r *reader) {
	if !r.called {
		r.called, r.abreast = true, s.brought
	}
	signal(r.wake)
}

// catchUp moves the cursor of a reader that is served and has read all that there was over what was not its, as later does for an
// attached one: what is lost there of topics that are forgotten is nothing to it.
func (s *shard) catchUp(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.called {
		r.abreast = s.brought
	}
	r.called = false
	r.cursor = max(r.cursor, r.abreast)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is already told
	}
}

// hand gives an attached reader to the loop. After the loop's end it is cut.
func (s *shard) hand(r *reader) {
	s.mu.Lock()
	stopped := s.stopped
	if !stopped {
		r.handed = true
		s.nudge(r)
	}
	s.mu.Unlock()
	if stopped {
		s.cut(r, ReasonDrain)
	}
}

func (s *shard) wakeTopic(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.each(topic, s.nudge)
}

func (s *shard) subscriptions(topic string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.sets(topic, func(chosen set) { n += len(chosen) })
	return n
}

// add lets a reader be found. The loop puts an attached one on the wheel when it takes it over.
func (s *shard) add(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.free) - 1; last >= 0 {
		r.slot = s.free[last]
		s.free = s.free[:last]
	} else {
		r.slot = uint32(len(s.slots))
		s.slots = append(s.slots, nil)
	}
	s.slots[r.slot] = r
	s.index.add(r)
	if r.wake != nil {
		s.wheel.put(r, r.due())
	}
}

func (s *shard) remove(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots[r.slot] = nil
	s.free = append(s.free, r.slot)
	s.index.remove(r)
	s.wheel.take(r)
}

// schedule lets a reader's next due time be found anew.
func (s *shard) schedule(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.slots[r.slot] != r:
	case r.wake != nil:
		s.wheel.put(r, r.due())
	default:
		s.nudge(r)
	}
}

func (s *shard) snapshot() []*reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*reader, 0, len(s.slots)-len(s.free))
	for _, r := range s.slots {
		if r != nil {
			out = append(out, r)
		}
	}
	return out
}

// at returns the reader of a token, or nil when it is gone.
func (s *shard) at(token poll.Token) *reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.slots[uint32(token)]; r != nil && r.generation == uint32(token>>32) {
		return r
	}
	return nil
}

// run is the loop.
func (s *shard) run(ctx context.Context) {
	ready, stop := s.watch(ctx)
	defer stop()
	defer close(s.ended)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	turn := make(chan struct{}, 1)
	for {
		select {
		case <-ctx.Done():
			s.close()
			return
		case <-s.news:
			s.follow()
		case <-s.called:
			s.attend()
		case head := <-s.restarts:
			s.restart(head)
		case sockets := <-ready:
			for _, socket := range sockets {
				s.serve(socket)
			}
			ready <- nil
		case <-turn:
			s.takeTurns()
		case <-ticker.C:
			s.keepTime()
		}
		if len(s.turns) > 0 {
			signal(turn)
		}
		if s.delivered.bytes > 0 {
			s.pool.observer.Delivered(s.delivered.events, s.delivered.bytes)
			s.delivered.events, s.delivered.bytes = 0, 0
		}
	}
}

// watch hands over the sockets that are ready, as often as the ones before have been seen to.
func (s *shard) watch(ctx context.Context) (ready chan []poll.Ready, stop func()) {
	ready = make(chan []poll.Ready)
	if s.poller == nil {
		return ready, func() {}
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		var sockets []poll.Ready
		for {
			var err error
			if sockets, err = s.poller.Wait(sockets[:0]); errors.Is(err, os.ErrClosed) {
				return
			} else if err != nil {
				panic(err) // by a descriptor that is not the poller's any more: all readers would hang
			}
			select {
			case ready <- sockets:
				<-ready
			case <-ctx.Done():
				return
			}
		}
	})
	return ready, func() {
		_ = s.poller.Close()
		watching.Wait()
	}
}

// keepTime sees to the readers for whom something is due.
func (s *shard) keepTime() {
	now := s.pool.now()
	due := s.due[:0]
	s.mu.Lock()
	s.wheel.advance(now, func(r *reader) {
		switch at := r.nextDue(); { // later than its place on the wheel if it was written to since
		case now < at:
			s.wheel.put(r, at)
		case r.wake != nil:
			signal(r.wake)
			s.wheel.put(r, at)
		default:
			due = append(due, r)
		}
	})
	s.mu.Unlock()
	for _, r := range due {
		s.dueNow(r, now)
	}
	clear(due)
	s.due = due
}

func (r *reader) nextDue() instant {
	if r.wake != nil {
		return r.due()
	}
	return r.deadline()
}
