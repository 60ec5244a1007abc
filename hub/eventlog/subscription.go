package eventlog

import (
	"slices"

	"github.com/runnel-dev/runnel/hub/event"
)

// Subscription reads what its selectors choose. The log keeps nothing for it: it finds its topics by their names at each read, so
// that however many readers choose however many topics that nobody publishes to, they cost no memory of the log. It has no
// position either: who reads keeps the cursor. Its methods may be called concurrently with those of the log and with each other,
// but Read by one goroutine at a time.
type Subscription struct {
	log       *Memory
	selectors []event.Selector
	names     []string         // of the exact selectors
	patterns  []event.Selector // the others
	conflate  bool             // leave out what a newer event of its key has replaced
	// replay is how many events of each topic it begins with, of those up to replayed; asRetained counts by the rules of when so many
	// were declared.
	replay             int32
	replayed, declared uint64
	// told is the log's count of drops when the reader was last told of losses.
	told uint64
}

// Subscribe implements Log.
func (m *Memory) Subscribe(selectors []event.Selector, start Start) (*Subscription, Opening, error) {
	if err := m.Declared(selectors); err != nil {
		return nil, Opening{}, err
	}
	s := &Subscription{log: m, selectors: selectors, conflate: start.Conflate}
	for _, sel := range selectors {
		switch {
		case !sel.Exact():
			s.patterns = append(s.patterns, sel)
		case !slices.Contains(s.names, sel.String()):
			s.names = append(s.names, sel.String())
		}
	}
	return s, s.open(start), nil
}

// Declared says whether every selector can choose something; the error is ErrUndeclared.
func (m *Memory) Declared(selectors []event.Selector) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, sel := range selectors {
		if !slices.ContainsFunc(m.rules, func(r *rule) bool { return r.Selector.Overlaps(sel) }) {
			return undeclared(sel.String())
		}
	}
	return nil
}

// Selectors that the subscription chooses by.
func (s *Subscription) Selectors() []event.Selector { return s.selectors }

// Declared says whether all that the subscription chooses is still declared.
func (s *Subscription) Declared() bool { return s.log.Declared(s.selectors) == nil }

func (s *Subscription) chooses(t *topic) bool { return s.choosesBy(len(s.patterns), t) }

// choosesBy says whether a topic is chosen by its name, or by one of the first patterns.
func (s *Subscription) choosesBy(patterns int, t *topic) bool {
	return slices.Contains(s.names, t.name) ||
		slices.ContainsFunc(s.patterns[:patterns], func(p event.Selector) bool { return p.Match(t.name) })
}

// few calls f once for each topic that the subscription chooses and that there is, if they are found by looking at no more than so
// many. Else it says false, and has called f for some.
func (s *Subscription) few(most int, f func(*topic)) bool {
	if most -= len(s.names); most < 0 {
		return false
	}
	for _, name := range s.names {
		if t := s.log.topics.byName[name]; t != nil {
			f(t)
		}
	}
	for i, p := range s.patterns {
		if !s.log.topics.tree.each(p.Tokens(), &most, func(t *topic) {
			if !s.choosesBy(i, t) {
				f(t)
			}
		}) {
			return false
		}
	}
	return true
}

// Conflates says whether the subscription leaves out what a newer event of its key has replaced.
func (s *Subscription) Conflates() bool { return s.conflate }
