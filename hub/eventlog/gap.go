package eventlog

import (
	"slices"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// maxLostTopics bounds the names in one gap notice: where a pattern has lost more topics, the pattern stands for them.
const maxLostTopics = 64

// open decides how a subscription begins. The log is locked.
func (s *Subscription) open(start Start) Opening {
	m := s.log
	head := m.Head()
	if start.Cursor == "" {
		return s.openWithoutCursor(start)
	}
	id, ok := event.ParseID(start.Cursor)
	switch {
	case !ok, id.Epoch == m.epoch && id.Seq > head.Seq:
		return Opening{Resume: ResumeGap, Cursor: head, Reason: ReasonUnknownID, Lost: s.names()}
	case id.Epoch != m.epoch:
		s.losses(0)
		return Opening{Resume: ResumeReset, Cursor: s.beforeNext(0), Reason: ReasonReset, Lost: s.names()}
	}
	if lost := s.losses(id.Seq); len(lost) > 0 {
		return Opening{Resume: ResumeGap, Cursor: s.beforeNext(id.Seq), Reason: ReasonEvicted, Lost: lost}
	}
	return Opening{Resume: ResumeExact, Cursor: id}
}

func (s *Subscription) openWithoutCursor(start Start) Opening {
	switch {
	case start.Earliest:
		s.losses(0)
		return Opening{Resume: ResumeExact, Cursor: s.beforeNext(0)}
	case start.Replay > 0:
		s.losses(0)
		s.replayLast(start.Replay)
		return Opening{Resume: ResumeLive, Cursor: s.beforeNext(0)}
	case !start.Since.IsZero():
		after := s.log.before(start.Since)
		if lost := s.losses(after); len(lost) > 0 {
			return Opening{Resume: ResumeGap, Cursor: s.beforeNext(after), Reason: ReasonEvicted, Lost: lost}
		}
		return Opening{Resume: ResumeLive, Cursor: s.beforeNext(after)}
	}
	return Opening{Resume: ResumeLive, Cursor: s.log.Head()}
}

// replayLast lets each topic begin with its newest n events.
func (s *Subscription) replayLast(n int) {
	s.starts, s.replayed = map[*topic]uint64{}, s.log.head.Load()
	s.each(func(t *topic) {
		if skipped := t.ring.count - n; skipped > 0 {
			s.starts[t] = t.ring.at(skipped - 1).Seq
		}
	})
}

// before is the newest retained event that is older than a time, 0 if there is none: what was dropped may have been newer.
func (m *Memory) before(when time.Time) uint64 {
	e := m.all.newest
	for e != nil && !e.at.Before(when) {
		e = e.global.older
	}
	if e == nil {
		return 0
	}
	return e.Seq
}

// from is where a topic begins for the subscription that has read up to a cursor.
func (s *Subscription) from(t *topic, after uint64) uint64 { return max(after, s.starts[t]) }

// beforeNext is the cursor just before the first entry that follows a position.
func (s *Subscription) beforeNext(after uint64) event.ID {
	next := s.log.Head()
	s.each(func(t *topic) {
		if i := t.ring.after(s.from(t, after)); i < t.ring.count {
			next.Seq = min(next.Seq, t.ring.at(i).Seq-1)
		}
	})
	return next
}

func (s *Subscription) names() []string {
	names := make([]string, len(s.selectors))
	for i, sel := range s.selectors {
		names[i] = sel.String()
	}
	return names
}

// losses names what lost events after a position that the reader was not told of: topics, or the pattern where its topics are
// forgotten or too many to name. From then on the reader counts as told.
func (s *Subscription) losses(after uint64) []string {
	var out []string
	untold := func(l loss) bool { return l.seq > after && l.at > s.told }
	for _, t := range s.exact {
		if untold(t.lost) {
			out = append(out, t.name)
		}
	}
	for _, g := range s.groups {
		if untold(g.lost) {
			out = append(out, g.losses(untold)...)
		}
	}
	s.told = s.log.drops
	slices.Sort(out)
	return slices.Compact(out)
}

func (g *group) losses(untold func(loss) bool) (out []string) {
	pattern := []string{g.selector.String()}
	for _, r := range g.rules {
		if untold(r.floor) {
			return pattern
		}
	}
	for t := range g.topics {
		if untold(t.lost) {
			out = append(out, t.name)
		}
		if len(out) > maxLostTopics {
			return pattern
		}
	}
	return out
}

// loss is the newest event that was dropped of a topic, or of several.
type loss struct {
	// seq is the event's sequence, 0 before the first.
	seq uint64
	// at counts the drops up to the latest of them. An older event may be dropped later than a newer one of another topic, and a
	// reader that was told of the one has not been told of the other.
	at uint64
}

func (l *loss) include(o loss) {
	l.seq, l.at = max(l.seq, o.seq), max(l.at, o.at)
}
