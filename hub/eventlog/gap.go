package eventlog

import (
	"math"
	"slices"

	"github.com/runnel-dev/runnel/hub/event"
)

// maxLostTopics bounds the names in one gap notice: where a pattern has lost more topics, the pattern stands for them.
const maxLostTopics = 64

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
	// stored is when the event was, in nanoseconds of Unix time. What is older is no loss to who asked for what is newer.
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
		return mine.at > s.told && mine.stored >= stored && mine.seq > s.from(of, after)
	}
	var out []string
	if untold(s.log.lost, nil) { // of any topic: most reads end here
		for _, name := range s.names {
			if untold(s.log.lossOf(name), s.log.topics.byName[name]) {
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

// lossOf is what a topic lost, or may have lost where that is forgotten.
func (m *Memory) lossOf(name string) losses {
	t := m.topics.byName[name]
	if t == nil {
		return m.floor(name)
	}
	l := t.lost
	l.include(t.rule.any)
	for _, r := range m.retired {
		if r.any.all.seq > 0 && r.Selector.Match(name) {
			l.include(r.any)
		}
	}
	return l
}

// lossesOf names the topics that a pattern chooses and that lost something; the pattern stands for forgotten ones, and for too
// many. Only topics that lost something since the reader was told are looked at, or only those that it chooses if they are fewer:
// there may be very many others. Where both are many, the pattern stands for them if one lost something that the reader has not read,
// told or not.
func (m *Memory) lossesOf(p event.Selector, told uint64, untold func(losses, *topic) bool) (out []string) {
	for _, rules := range [...][]*rule{m.rules, m.retired} {
		for _, r := range rules {
			if untold(r.floor, nil) && r.Selector.Overlaps(p) {
				return []string{p.String()}
			}
		}
	}
	looked := 0
	for t := m.losers.newest; t != nil && t.lost.all.at > told; t = t.losing.older {
		if looked++; looked == nearby {
			if chosen, ok := m.lossesOfFew(p, untold); ok {
				return chosen
			}
			if may, ok := m.topics.tree.lost(p.Tokens(), untold); ok {
				if may {
					out = []string{p.String()}
				}
				return out
			}
		}
		if untold(t.lost, t) && p.Match(t.name) {
			out = append(out, t.name)
		}
		if len(out) > maxLostTopics {
			return []string{p.String()}
		}
	}
	return out
}

// lossesOfFew does the same by the topics that the pattern chooses, if they are few.
func (m *Memory) lossesOfFew(p event.Selector, untold func(losses, *topic) bool) (out []string, ok bool) {
	most := nearby
	ok = m.topics.tree.each(p.Tokens(), &most, func(t *topic) {
		if untold(t.lost, t) {
			out = append(out, t.name)
		}
	})
	if len(out) > maxLostTopics {
		out = []string{p.String()}
	}
	return out, ok
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
