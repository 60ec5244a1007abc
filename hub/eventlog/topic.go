package eventlog

import (
	"strings"
	"time"
)

// topic is one topic's history.
type topic struct {
	name string
	rule *rule
	ring ring
	lost losses
	// bytes that its entries take.
	bytes int64
	// lingering is how many of its oldest entries are counted among those that linger.
	lingering int
	// newest entry of each key; nil while no event has one.
	newest map[string]*Entry
	// lasting are those of its entries that are worth it longest.
	lasting lasting
	// node of the tree where its name ends.
	node *tree
	// index in topics.all, and in ages; the latter is -1 while it holds no event.
	index, due int
	// complete says that no event follows.
	complete bool
	// chain that it stands in by its state, if any, and its neighbours there.
	chain    *chain
	standing links
	// losing are its neighbours among topics that lost something.
	losing links
	// lossy says that it is among them.
	lossy bool
}

// excess is how many events a topic has more than it keeps.
func (t *topic) excess() int { return t.ring.count - t.rule.Events }

// expired says whether a topic's oldest event, if there is one, is too old.
func (t *topic) expired(now time.Duration) bool { return t.ring.count > 0 && t.expiry() <= now }

// cost of a topic beside its events and its nodes in the tree, which it shares.
func (t *topic) cost() int64 { return topicOverhead + int64(len(t.name)) }

// mostCost is what a topic takes beside its events if it shares no node.
func mostCost(name string) int64 {
	return topicOverhead + int64(len(name)) + nodeOverhead*int64(1+strings.Count(name, "."))
}

// topics are found by name, by pattern, and one after the other.
type topics struct {
	byName map[string]*topic
	tree   tree
	all    []*topic // in no order
}

// add returns how many nodes the tree has more.
func (s *topics) add(t *topic) (nodes int) {
	t.index = len(s.all)
	s.byName[t.name] = t
	s.all = append(s.all, t)
	return s.tree.put(t.name, t)
}

// remove returns how many nodes the tree has less.
func (s *topics) remove(t *topic) (nodes int) {
	delete(s.byName, t.name)
	last := len(s.all) - 1
	moved := s.all[last]
	s.all[t.index], moved.index = moved, t.index
	s.all[last] = nil
	s.all = s.all[:last]
	return s.tree.take(t.name)
}

// topic returns a declared topic, and makes it at its first event.
func (m *Memory) topic(name string) (*topic, error) {
	if t := m.topics.byName[name]; t != nil {
		return t, nil
	}
	r := m.governing(name)
	if r == nil {
		return nil, undeclared(name)
	}
	name = strings.Clone(name) // it may be a part of a much longer request
	t := &topic{name: name, rule: r, lost: m.floor(name), due: -1}
	m.bytes += t.cost() + nodeOverhead*int64(m.topics.add(t))
	return t, nil
}

func undeclared(name string) error { return &UndeclaredError{name} }

func (m *Memory) governing(name string) *rule {
	for _, r := range m.rules {
		if r.Selector.Match(name) {
			return r
		}
	}
	return nil
}

// forget removes an empty topic. What it lost is remembered by its rule.
func (m *Memory) forget(t *topic) {
	r := m.governing(t.name)
	if r == nil {
		r = t.rule // which is among the retired
	}
	r.floor.include(t.lost)
	if t.complete && !m.sealed {
		m.ends.note(t.name)
	}
	if t.lossy {
		m.losers.remove(t)
	}
	m.stand(t, nil)
	m.bytes -= t.cost() + nodeOverhead*int64(m.topics.remove(t))
}

// links are a topic's neighbours in a chain.
type links struct{ older, newer *topic }

// chain is a list through the topics themselves, by when they joined it: they leave from anywhere at no cost.
type chain struct {
	oldest, newest *topic
	count          int
	bytes          int64 // that the topics cost at most beside their events
	via            func(*topic) *links
}

func standing(t *topic) *links { return &t.standing }
func losing(t *topic) *links   { return &t.losing }

func (c *chain) push(t *topic) {
	if c.via(t).older = c.newest; c.newest != nil {
		c.via(c.newest).newer = t
	} else {
		c.oldest = t
	}
	c.newest = t
	c.count++
	c.bytes += mostCost(t.name)
}

func (c *chain) remove(t *topic) {
	at := c.via(t)
	if at.older != nil {
		c.via(at.older).newer = at.newer
	} else {
		c.oldest = at.newer
	}
	if at.newer != nil {
		c.via(at.newer).older = at.older
	} else {
		c.newest = at.older
	}
	*at = links{}
	c.count--
	c.bytes -= mostCost(t.name)
}
