package eventlog

import (
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// open decides how a subscription begins.
func (s *Subscription) open(start Start) Opening {
	now := s.log.clock()
	id, ok := event.ParseID(start.Cursor)
	switch {
	case ok && id.Epoch != s.log.epoch, start.Cursor == "" && start.Earliest:
		s.beginWith(func(t *topic) int { return t.rule.Events })
	case start.Cursor == "" && start.Replay > 0:
		s.beginWith(func(*topic) int { return start.Replay })
	}
	s.log.lockForReading(now)
	defer s.log.mu.RUnlock()
	o := s.begin(start, now)
	o.Complete = o.Reason == "" && s.complete(o.Cursor.Seq, now)
	return o
}

func (s *Subscription) begin(start Start, now time.Time) Opening {
	if start.Cursor == "" {
		return s.beginWithoutCursor(start, now)
	}
	m := s.log
	head := m.Head()
	id, ok := event.ParseID(start.Cursor)
	switch {
	case !ok, id.Epoch == m.epoch && id.Seq > head.Seq:
		s.told = m.drops
		return Opening{Resume: ResumeGap, Cursor: head, Reason: ReasonUnknownID, Lost: s.texts()}
	case id.Epoch != m.epoch:
		return Opening{Resume: ResumeReset, Cursor: s.beforeNext(0), Reason: ReasonReset, Lost: s.texts()}
	}
	s.told = m.all.dropsAt(id.Seq)
	if lost := s.losses(id.Seq); len(lost) > 0 {
		return Opening{Resume: ResumeGap, Cursor: s.beforeNext(id.Seq), Reason: ReasonEvicted, Lost: lost}
	}
	return Opening{Resume: ResumeExact, Cursor: id}
}

func (s *Subscription) beginWithoutCursor(start Start, now time.Time) Opening {
	m := s.log
	switch {
	case start.Earliest:
		return Opening{Resume: ResumeExact, Cursor: s.beforeNext(0)}
	case start.Replay > 0:
		return Opening{Resume: ResumeLive, Cursor: s.beforeNext(0)}
	case !start.Since.IsZero():
		since := nanoseconds(start.Since, now)
		after := m.all.before(since)
		s.told = m.all.dropsAt(after)
		if lost := s.lossesSince(after, since); len(lost) > 0 {
			return Opening{Resume: ResumeGap, Cursor: s.beforeNext(after), Reason: ReasonEvicted, Lost: lost}
		}
		return Opening{Resume: ResumeLive, Cursor: s.beforeNext(after)}
	}
	s.told = m.drops
	return Opening{Resume: ResumeLive, Cursor: m.Head()}
}

// nanoseconds of Unix time, which know no time before 1678 nor after 2262: whatever is later than now is as good as any other.
func nanoseconds(when, now time.Time) int64 {
	switch {
	case when.After(now):
		return now.UnixNano() + 1
	case when.Unix() < 0:
		return 0
	}
	return when.UnixNano()
}

// beginWith lets each topic begin with the newest events that it has now, so many of them. What was lost so far is no loss.
func (s *Subscription) beginWith(events func(*topic) int) {
	s.starts = map[*topic]uint64{}
	skip := func(t *topic) {
		if i := t.ring.after(s.replayed) - events(t); i > 0 {
			s.starts[t] = t.ring.at(i - 1).Seq
		}
	}
	if s.beginWithFew(skip) {
		return
	}
	s.log.sweep(s.log.mu.RLocker(), func(t *topic, _ *int) bool {
		if s.chooses(t) {
			skip(t)
		}
		return true
	})
}

func (s *Subscription) beginWithFew(skip func(*topic)) bool {
	s.log.mu.RLock()
	defer s.log.mu.RUnlock()
	s.told, s.replayed = s.log.drops, s.log.head.Load()
	return s.few(nearby, skip)
}

// from is where a topic, if there is one, begins for the subscription that has read up to a cursor.
func (s *Subscription) from(t *topic, after uint64) uint64 { return max(after, s.starts[t]) }

// beforeNext is the cursor just before the first entry that follows a position. Where that is far away and the topics are many, it is
// as far as a read would look.
func (s *Subscription) beforeNext(after uint64) event.ID {
	next := s.log.Head()
	if s.few(nearby, func(t *topic) {
		if i := t.ring.after(s.from(t, after)); i < t.ring.count {
			next.Seq = min(next.Seq, t.ring.at(i).Seq-1)
		}
	}) {
		return next
	}
	next = s.log.Head()
	at := s.log.all.after(after)
	for range nearby {
		e := at.next()
		if e == nil {
			return next
		}
		if after = e.Seq; s.wants(e) {
			after--
			break
		}
	}
	next.Seq = after
	return next
}

// wants says whether an entry is of a topic that the subscription chooses, and not before where that begins.
func (s *Subscription) wants(e *Entry) bool {
	return s.chooses(e.topic) && e.Seq > s.starts[e.topic]
}
