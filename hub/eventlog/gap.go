package eventlog

import (
	"math"
	"slices"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// maxLostTopics bounds the names in one gap notice: where a pattern has lost more topics, the pattern stands for them.
const maxLostTopics = 64

// open decides how a subscription begins. The log is locked.
func (s *Subscription) open(start Start, now time.Time) Opening {
	o := s.begin(start)
	o.Complete = o.Reason == "" && s.complete(o.Cursor.Seq, now)
	return o
}

func (s *Subscription) begin(start Start) Opening {
	m := s.log
	head := m.Head()
	if start.Cursor == "" {
		return s.beginWithoutCursor(start)
	}
	id, ok := event.ParseID(start.Cursor)
	switch {
	case !ok, id.Epoch == m.epoch && id.Seq > head.Seq:
		return Opening{Resume: ResumeGap, Cursor: head, Reason: ReasonUnknownID, Lost: s.texts()}
	case id.Epoch != m.epoch:
		s.losses(0)
		s.skipExcess()
		return Opening{Resume: ResumeReset, Cursor: s.beforeNext(0), Reason: ReasonReset, Lost: s.texts()}
	}
	if lost := s.losses(id.Seq); len(lost) > 0 {
		return Opening{Resume: ResumeGap, Cursor: s.beforeNext(id.Seq), Reason: ReasonEvicted, Lost: lost}
	}
	return Opening{Resume: ResumeExact, Cursor: id}
}

func (s *Subscription) beginWithoutCursor(start Start) Opening {
	switch {
	case start.Earliest:
		s.losses(0)
		s.skipExcess()
		return Opening{Resume: ResumeExact, Cursor: s.beforeNext(0)}
	case start.Replay > 0:
		s.losses(0)
		s.replayLast(start.Replay)
		return Opening{Resume: ResumeLive, Cursor: s.beforeNext(0)}
	case !start.Since.IsZero():
		after := s.log.before(start.Since)
		if lost := s.lossesSince(after, start.Since.UnixMicro()); len(lost) > 0 {
			return Opening{Resume: ResumeGap, Cursor: s.beforeNext(after), Reason: ReasonEvicted, Lost: lost}
		}
		return Opening{Resume: ResumeLive, Cursor: s.beforeNext(after)}
	}
	return Opening{Resume: ResumeLive, Cursor: s.log.Head()}
}

// replayLast lets each topic begin with its newest n events.
func (s *Subscription) replayLast(n int) {
	s.each(func(t *topic) { s.skip(t, t.ring.count-n) })
}

// skipExcess lets each topic begin with what it keeps.
func (s *Subscription) skipExcess() {
	for _, t := range s.log.full {
		if s.log.topics[t.name] == t && s.chooses(t) {
			s.skip(t, t.excess())
		}
	}
}

// skip lets a topic begin after some of its oldest events.
func (s *Subscription) skip(t *topic, events int) {
	if events <= 0 {
		return
	}
	if s.starts == nil {
		s.starts, s.replayed = map[*topic]uint64{}, s.log.head.Load()
	}
	s.starts[t] = t.ring.at(events - 1).Seq
}

// before is the newest retained event that is older than a time, 0 if there is none.
func (m *Memory) before(when time.Time) uint64 {
	e := m.all.newest
	for e != nil && !e.At.Before(when) {
		e = e.global.older
	}
	if e == nil {
		return 0
	}
	return e.Seq
}

// from is where a topic, if there is one, begins for the subscription that has read up to a cursor.
func (s *Subscription) from(t *topic, after uint64) uint64 { return max(after, s.starts[t]) }

// beforeNext is the cursor just before the first entry that follows a position.
func (s *Subscription) beforeNext(after uint64) event.ID {
	next := s.log.Head()
	if len(s.patterns) > 0 {
		e := s.log.marks.after(after)
		for looked := 0; e != nil && looked < nearby; looked++ {
			if s.chooses(e.topic) && e.Seq > s.starts[e.topic] {
				return event.ID{Epoch: next.Epoch, Seq: e.Seq - 1}
			}
			e = e.global.newer
		}
		if e == nil {
			return next
		}
	}
	s.each(func(t *topic) {
		if i := t.ring.after(s.from(t, after)); i < t.ring.count {
			next.Seq = min(next.Seq, t.ring.at(i).Seq-1)
		}
	})
	return next
}

func (s *Subscription) texts() []string {
	names := make([]string, len(s.selectors))
	for i, sel := range s.selectors {
		names[i] = sel.String()
	}
	return names
}

// loss is the newest event that was dropped of a topic, or of several. Two figures are needed. Take a reader at cursor 1 of
// topics `fast` and `slow`: event 3 of fast is dropped, and the reader is told. Then event 2 of slow is dropped, which it has
// not read. By its sequence that is older than what the reader was told of, and yet it is news: the drop came later.
type loss struct {
	// seq is the event's sequence, 0 before the first. What a reader has read up to its cursor cannot be lost to it.
	seq uint64
	// at counts the drops up to the latest of them. What came before the reader was last told is not told again.
	at uint64
	// stored is when the event was, in microseconds of Unix time. What is older is no loss to who asked for what is newer.
	stored int64
}

func (l *loss) include(o loss) {
	l.seq, l.at, l.stored = max(l.seq, o.seq), max(l.at, o.at), max(l.stored, o.stored)
}

// losses are what is lost to readers of all events, and to those who want only the newest of each key.
type losses struct{ all, newest loss }

func (l *losses) include(o losses) {
	l.all.include(o.all)
	l.newest.include(o.newest)
}

// losses names what lost events after a position that the reader was not told of: topics, or the selector where its topics are
// forgotten or too many to name. From then on the reader counts as told.
func (s *Subscription) losses(after uint64) []string { return s.lossesSince(after, math.MinInt64) }

// lossesSince leaves out what was stored before a time.
func (s *Subscription) lossesSince(after uint64, stored int64) []string {
	// What a topic lost before the event that it begins with for this reader is no loss.
	untold := func(l losses, of *topic) bool {
		mine := l.all
		if s.conflate {
			mine = l.newest
		}
		return mine.seq > s.from(of, after) && mine.at > s.told && mine.stored >= stored
	}
	var out []string
	if untold(s.log.lost, nil) { // of any topic: most reads end here
		for _, name := range s.names {
			if untold(s.log.lossOf(name), s.log.topics[name]) {
				out = append(out, name)
			}
		}
		for _, p := range s.patterns {
			out = append(out, s.log.lossesOf(p, s.told, untold)...)
		}
	}
	s.told = s.log.drops
	slices.Sort(out)
	return slices.Compact(out)
}

// lossOf is what a topic lost, or may have lost where it is forgotten.
func (m *Memory) lossOf(name string) losses {
	if t := m.topics[name]; t != nil {
		return t.lost
	}
	return m.floor(name)
}

// lossesOf names the topics that a pattern chooses and that lost something; the pattern stands for forgotten ones, and for too
// many. Only topics that lost something since the reader was told are looked at: there may be very many others.
func (m *Memory) lossesOf(p event.Selector, told uint64, untold func(losses, *topic) bool) (out []string) {
	for _, r := range slices.Concat(m.rules, m.retired) {
		if untold(r.floor, nil) && r.Selector.Overlaps(p) {
			return []string{p.String()}
		}
	}
	for t := m.losers; t != nil && t.lost.all.at > told; t = t.older {
		if untold(t.lost, t) && p.Match(t.name) {
			out = append(out, t.name)
		}
		if len(out) > maxLostTopics {
			return []string{p.String()}
		}
	}
	return out
}

// floor is what any forgotten topic of a name may have lost.
func (m *Memory) floor(name string) (l losses) {
	if r := m.governing(name); r != nil {
		l = r.floor
	}
	for _, r := range m.retired {
		if r.Selector.Match(name) {
			l.include(r.floor)
		}
	}
	return l
}
