package eventlog

import (
	"math"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// open decides how a subscription begins.
func (s *Subscription) open(start Start) Opening {
	now := s.log.clock()
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
	case !ok, id.Epoch == head.Epoch && id.Seq > head.Seq:
		s.told = m.past()
		return Opening{Resume: ResumeGap, Cursor: head, Reason: ReasonUnknownID, Lost: s.texts()}
	case id.Epoch != head.Epoch:
		return Opening{Resume: ResumeReset, Cursor: s.beginWith(asRetained), Reason: ReasonReset, Lost: s.texts()}
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
		return Opening{Resume: ResumeExact, Cursor: s.beginWith(asRetained)}
	case start.Replay > 0:
		return Opening{Resume: ResumeLive, Cursor: s.beginWith(start.Replay)}
	case !start.Since.IsZero():
		since := nanoseconds(start.Since, now)
		after := m.all.before(since)
		s.told = m.all.dropsAt(after)
		if lost := s.lossesSince(after, since); len(lost) > 0 {
			return Opening{Resume: ResumeGap, Cursor: s.beforeNext(after), Reason: ReasonEvicted, Lost: lost}
		}
		return Opening{Resume: ResumeLive, Cursor: s.beforeNext(after)}
	}
	s.told = m.past()
	return Opening{Resume: ResumeLive, Cursor: m.Head()}
}

// past counts the drops that are none of a reader's who begins now. A copy is told what the other log lost before it comes so far.
func (m *Memory) past() uint64 {
	if m.lost.all.seq > m.head.Load() {
		return m.ahead
	}
	return m.drops
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

// asRetained is as many events of a topic as its rule keeps.
const asRetained = 0

// beginWith lets each topic begin with the newest events that it has now, so many of them. What was lost so far is no loss.
func (s *Subscription) beginWith(events int) event.ID {
	m := s.log
	s.told, s.replayed = m.past(), m.head.Load()
	s.replay, s.declared = int32(min(events, math.MaxInt32)), m.declarations
	return s.beforeNext(0)
}

// from is where a topic, if there is one, begins for the subscription that has read up to a cursor. Topics lose their oldest events, so
// the newest ones of then are found by counting back, whatever was lost since: where there are fewer than were asked for, all are
// wanted, and so was what was lost last.
func (s *Subscription) from(t *topic, after uint64) uint64 {
	if t == nil || after >= s.replayed {
		return after
	}
	first := t.ring.after(s.replayed) - s.replays(t)
	if first < 0 {
		return after
	}
	return max(after, t.ring.at(first).Seq-1)
}

// replays is how many events of a topic the subscription begins with. A rule that was declared since may keep fewer.
func (s *Subscription) replays(t *topic) int {
	switch {
	case s.replay != asRetained:
		return int(s.replay)
	case s.declared != s.log.declarations:
		return math.MaxInt
	}
	return t.rule.Events
}

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
	return s.chooses(e.topic) && s.from(e.topic, e.Seq-1) < e.Seq
}
