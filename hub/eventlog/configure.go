package eventlog

// Configure replaces rules and limit. Topics that are no longer declared are gone with their events; the others keep what the
// new retention allows. Who subscribes to what is gone reads nothing any more: see Declared.
func (m *Memory) Configure(rules []Rule, limit int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, now := m.rules, m.clock()
	m.rules, m.limit = newRules(rules), limit
	for _, r := range m.rules {
		for _, o := range old {
			if o.Selector.Overlaps(r.Selector) {
				r.floor.include(o.floor)
			}
		}
	}
	m.govern()
	for e := m.all.oldest; e != nil; e = e.global.newer {
		e.aging = links{}
		e.topic.rule.aging.push(e)
	}
	for _, t := range m.topics {
		for t.ring.count > t.rule.Events {
			m.drop(t, now)
		}
		m.rest(t)
	}
	for m.bytes > m.limit && m.all.oldest != nil {
		m.drop(m.all.oldest.topic, now)
	}
	m.expiry = now
	m.expire(now)
}

// govern gives each topic its new rule, removes those that have none, and tells the groups.
func (m *Memory) govern() {
	for _, t := range m.topics {
		r := m.governing(t.name)
		if r != nil {
			t.rule = r
			continue
		}
		for t.ring.count > 0 {
			e := t.ring.pop()
			m.all.remove(e)
			m.bytes -= e.cost()
		}
		for _, g := range t.groups {
			delete(g.topics, t)
		}
		delete(m.topics, t.name)
	}
	for _, g := range m.groups {
		g.rules = nil
		for _, r := range m.rules {
			if r.Selector.Overlaps(g.selector) {
				g.rules = append(g.rules, r)
				g.lost.include(r.floor)
			}
		}
	}
}

// Usage is what a log holds.
type Usage struct {
	// Events and Topics that are retained now; a topic without events counts while it is remembered.
	Events, Topics int
	// Bytes that retained events take, the log's own overhead included.
	Bytes int64
	// Rules in order of precedence.
	Rules []RuleUsage
}

// RuleUsage is what the topics of one rule hold.
type RuleUsage struct {
	// Selector of the rule.
	Selector string
	// Events that are retained now.
	Events int
}

// Usage returns what the log holds now.
func (m *Memory) Usage() Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := Usage{Topics: len(m.topics), Bytes: m.bytes, Events: m.all.count}
	for _, r := range m.rules {
		u.Rules = append(u.Rules, RuleUsage{Selector: r.Selector.String(), Events: r.aging.count})
	}
	return u
}
