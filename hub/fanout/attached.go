package fanout

import (
	"github.com/runnel-dev/runnel/hub/poll"
)

// The loop's side of attached readers. All of it runs on the loop.

// turnsAtOnce is how many readers that are behind are served until the loop looks for news again: a millisecond or two, so that those who
// catch up do not hold up those who follow.
const turnsAtOnce = 32

// attend sees to the readers that were called: takes over those that are new, and gives the others a turn.
func (s *shard) attend() {
	s.mu.Lock()
	calls := s.calls
	s.calls = nil
	for _, r := range calls {
		r.called = false
	}
	s.mu.Unlock()
	for _, r := range calls {
		switch {
		case r.phase == closed:
		case r.watched == 0:
			s.takeOver(r)
		case r.phase == open:
			s.later(r)
			s.settle(r)
		}
	}
}

// takeOver begins to watch a socket. Events may have come since the reader was filled for the first time, so it has a turn.
func (s *shard) takeOver(r *reader) {
	s.generation++
	r.generation = s.generation
	r.watched = r.interest()
	if err := s.poller.Add(int(r.fd), r.watched, r.token()); err != nil {
		s.cut(r, ReasonOverloaded)
		return
	}
	if r.phase == open {
		r.behind = true
		if r.waits == nil {
			s.turns = append(s.turns, r)
		}
	}
	s.settle(r)
}

// later gives a reader that is current a turn.
func (s *shard) later(r *reader) {
	if r.behind {
		return // it has one, or waits for its socket
	}
	r.behind = true
	r.cursor = max(r.cursor, s.position)
	s.turns = append(s.turns, r)
}

// takeTurns lets some readers read on.
func (s *shard) takeTurns() {
	now := s.pool.now()
	n := min(len(s.turns), turnsAtOnce)
	for _, r := range s.turns[:n] {
		if r.phase == open && r.waits == nil {
			s.turn(r, now)
		}
	}
	clear(s.turns[:n])
	if s.turns = s.turns[n:]; len(s.turns) == 0 {
		s.turns = nil // and with it what lies before its beginning
	}
}

// turn sends a reader what follows its cursor, at most one batch.
func (s *shard) turn(r *reader, now instant) {
	t := &s.text
	t.reset(r.chunked)
	defer t.shrink()
	reason := r.barred(now)
	if reason == "" && r.overrun() { // by what its socket did not take before
		reason = ReasonSlow
	}
	if reason != "" {
		s.finish(r, reason, now)
		return
	}
	more := r.fill(t, now)
	if len(t.bytes) > 0 {
		s.write(r, t, now)
	}
	if r.waits == nil && !r.failed {
		r.caughtUp(more)
		if reason := r.over(now); reason != "" {
			s.finish(r, reason, now)
			return
		}
		if r.behind = more; more {
			s.turns = append(s.turns, r)
		}
	}
	s.settle(r)
}

// write sends a text to a current reader, or to one that has a turn.
func (s *shard) write(r *reader, t *text, now instant) {
	s.count(r.write(t, now))
	r.behind = r.behind || r.waits != nil
}

func (s *shard) count(events, bytes int) {
	s.delivered.events += events
	s.delivered.bytes += bytes
}

// finish ends a stream.
func (s *shard) finish(r *reader, reason Reason, now instant) {
	t := &s.text
	t.reset(r.chunked)
	r.finish(t, reason, now)
	s.settle(r)
}

// serve sees to a socket that is ready.
func (s *shard) serve(socket poll.Ready) {
	r := s.at(socket.Token)
	if r == nil {
		return
	}
	if socket.Events&poll.Readable != 0 {
		r.discard(s.input)
	}
	if socket.Events&(poll.Ended|poll.Closed) != 0 {
		r.failed = true
	}
	if socket.Events&poll.Writable != 0 && r.waits != nil && !r.failed && r.phase != ended {
		s.count(0, r.resume(s.pool.now()))
		if r.waits == nil && r.phase == open {
			s.turns = append(s.turns, r)
		}
	}
	s.settle(r)
}

// dueNow does what is due for a reader by time.
func (s *shard) dueNow(r *reader, now instant) {
	stall := s.pool.settings.Load().Stall
	switch {
	case r.phase == ended:
		r.failed = true
	case r.waits != nil && now >= r.waits.since+stall:
		s.cut(r, ReasonSlow)
		return
	case r.phase == open && r.ended(now) != "" && (r.waits != nil || r.barred(now) != ""):
		s.finish(r, r.ended(now), now)
		return
	case r.phase == open && r.behind: // its turn comes
	case r.phase == open && r.ended(now) != "":
		s.later(r)
	case r.phase == open:
		r.cursor = max(r.cursor, s.position)
		t := &s.text
		t.reset(r.chunked)
		r.heartbeat(t)
		s.write(r, t, now)
	}
	s.settle(r)
}

// settle brings a socket's watch and its place on the wheel up to date, and closes one that is done with.
func (s *shard) settle(r *reader) {
	if r.phase == closing && r.waits == nil && !r.failed {
		r.phase = ended
		r.waits = &backlog{since: s.pool.now()}
		r.failed = poll.EndWriting(int(r.fd)) != nil
	}
	if r.failed {
		s.cut(r, ReasonClient)
		return
	}
	if want := r.interest(); want != r.watched {
		if s.poller.Change(int(r.fd), want, r.token()) != nil {
			s.cut(r, ReasonClient)
			return
		}
		r.watched = want
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wheel.put(r, r.deadline())
}

// cut closes a reader's socket, for a reason that does not count when the stream has been ended for another one.
func (s *shard) cut(r *reader, reason Reason) {
	if r.phase == open {
		s.pool.observer.Ended(reason)
	} else {
		reason = r.ending.Load().reason
	}
	r.phase = closed
	_ = poll.CloseSocket(int(r.fd)) // there is nobody to tell
	s.pool.leave(r)
	if r.owner != nil {
		r.owner.Left(reason)
	}
}

// close cuts all that is still attached.
func (s *shard) close() {
	s.mu.Lock()
	s.stopped = true
	var left []*reader
	for _, r := range s.slots {
		if r != nil && r.handed {
			left = append(left, r)
		}
	}
	s.mu.Unlock()
	for _, r := range left {
		s.cut(r, ReasonDrain)
	}
}
