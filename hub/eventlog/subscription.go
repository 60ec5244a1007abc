package eventlog

import (
	"fmt"

	"github.com/runnel-dev/runnel/hub/event"
)

// group is a pattern that at least one subscription chooses by, with the topics that it chooses now. Subscriptions share it.
type group struct {
	selector event.Selector
	topics   map[*topic]struct{}
	readers  int
	// lost includes the losses of all its topics, forgotten ones too.
	lost loss
	// rules whose topics it may choose.
	rules []*rule
}

func (g *group) add(t *topic) {
	g.topics[t] = struct{}{}
	t.groups = append(t.groups, g)
	g.lost.include(t.lost)
}

// Subscription reads what its selectors choose. It has no position of its own: who reads keeps the cursor. Its methods may be
// called concurrently with those of the log, but not with each other.
type Subscription struct {
	log       *Memory
	selectors []event.Selector
	exact     []*topic
	groups    []*group
	// told is the log's count of drops when the reader was last told of losses.
	told uint64
	// starts are where topics begin that begin later than the cursor. They count up to replayed.
	starts   map[*topic]uint64
	replayed uint64
}

// Subscribe implements Log.
func (m *Memory) Subscribe(selectors []event.Selector, start Start) (*Subscription, Opening, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.declared(selectors); err != nil {
		return nil, Opening{}, err
	}
	s := &Subscription{log: m, selectors: selectors}
	s.attach()
	m.expire(m.clock())
	return s, s.open(start), nil
}

// Declared says whether every selector can still choose something; the error is ErrUndeclared.
func (m *Memory) Declared(selectors []event.Selector) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.declared(selectors)
}

func (m *Memory) declared(selectors []event.Selector) error {
	for _, sel := range selectors {
		if !m.overlaps(sel) {
			return fmt.Errorf("%w: %s", ErrUndeclared, sel)
		}
	}
	return nil
}

func (m *Memory) overlaps(sel event.Selector) bool {
	for _, r := range m.rules {
		if r.Selector.Overlaps(sel) {
			return true
		}
	}
	return false
}

// Selectors that the subscription chooses by.
func (s *Subscription) Selectors() []event.Selector { return s.selectors }

// Close gives up what the log keeps for the subscription. It is called once.
func (s *Subscription) Close() {
	m := s.log
	m.mu.Lock()
	defer m.mu.Unlock()
	s.detach()
}

func (s *Subscription) attach() {
	m := s.log
	for _, sel := range s.selectors {
		if sel.Exact() {
			// It is declared, and governed by a rule, or declared returned an error.
			if t, err := m.topic(sel.String()); err == nil {
				t.readers++
				s.exact = append(s.exact, t)
			}
			continue
		}
		g := m.group(sel)
		g.readers++
		s.groups = append(s.groups, g)
	}
}

func (s *Subscription) detach() {
	m := s.log
	for _, t := range s.exact {
		t.readers--
		m.rest(t)
	}
	for _, g := range s.groups {
		if g.readers--; g.readers == 0 {
			m.dissolve(g)
		}
	}
	s.exact, s.groups = nil, nil
}

func (m *Memory) group(sel event.Selector) *group {
	if g := m.groups[sel.String()]; g != nil {
		return g
	}
	g := &group{selector: sel, topics: map[*topic]struct{}{}}
	for _, t := range m.topics {
		if sel.Match(t.name) {
			g.add(t)
		}
	}
	for _, r := range m.rules {
		if r.Selector.Overlaps(sel) {
			g.rules = append(g.rules, r)
			g.lost.include(r.floor)
		}
	}
	m.groups[sel.String()] = g
	return g
}

func (m *Memory) dissolve(g *group) {
	for t := range g.topics {
		for i, other := range t.groups {
			if other == g {
				t.groups = append(t.groups[:i], t.groups[i+1:]...)
				break
			}
		}
	}
	delete(m.groups, g.selector.String())
}
