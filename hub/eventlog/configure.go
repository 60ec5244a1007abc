package eventlog

import (
	"slices"
)

// maxRetired bounds the rules that are remembered after they are no longer declared. A stream has at most 256 at a time.
const maxRetired = 512

// Configure replaces rules and limit. Topics that are no longer declared are gone with their events, and so is what their readers
// can resume: that counts as a loss, also when the topic is declared again. The others keep what the new retention allows.
func (m *Memory) Configure(rules []Rule, limit int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	old := m.rules
	m.rules, m.limit = newRules(rules), limit
	m.govern() // removed topics leave their losses with their old rules,
	m.retire(old)
	for e := m.all.oldest; e != nil; e = e.global.newer {
		e.aging = links{}
		e.topic.rule.aging.push(e) // in the order of time, as a list must be
	}
	for _, t := range m.topics {
		m.trim(t, now)
		m.rest(t)
	}
	m.shrink(now)
	m.expiry = now // whatever the ages were
	m.expire(now)
}

// govern gives each topic its new rule, and removes those that have none.
func (m *Memory) govern() {
	for _, t := range m.topics {
		if r := m.governing(t.name); r != nil {
			t.rule = r
			continue
		}
		for t.ring.count > 0 {
			m.loses(t, m.pop(t))
		}
		m.forget(t)
	}
}

// retire keeps what the topics of old rules lost: with the same rule if there still is one, else for whoever asks for them. A rule
// that is new may take topics over from any old one that it overlaps with.
func (m *Memory) retire(old []*rule) {
	for _, r := range m.rules {
		isNew := !slices.ContainsFunc(old, func(o *rule) bool { return r.Selector.String() == o.Selector.String() })
		for _, o := range slices.Concat(old, m.retired) {
			if r.Selector.String() == o.Selector.String() || isNew && r.Selector.Overlaps(o.Selector) {
				r.floor.include(o.floor)
			}
		}
	}
	declared := func(o *rule) bool {
		return slices.ContainsFunc(m.rules, func(r *rule) bool { return r.Selector.String() == o.Selector.String() })
	}
	m.retired = slices.DeleteFunc(slices.Concat(m.retired, old), func(o *rule) bool { return declared(o) || o.floor.all.seq == 0 })
	for len(m.retired) > maxRetired { // the oldest count for every topic from then on
		for _, r := range slices.Concat(m.rules, m.retired[1:]) {
			r.floor.include(m.retired[0].floor)
		}
		m.retired = m.retired[1:]
	}
	for _, r := range m.retired {
		r.aging = list{via: agingLinks}
	}
}

// Usage is what a log holds.
type Usage struct {
	// Events and Topics that are retained now; a topic without events counts while it is remembered.
	Events, Topics int
	// Bytes that retained events and topics take, the log's own overhead included.
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
