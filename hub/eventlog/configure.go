package eventlog

import (
	"slices"
	"time"
)

const (
	// maxRetired bounds the rules that are remembered after they are no longer declared. A stream has at most 256 at a time.
	maxRetired = 512
	// rulesOfStep is how many rules a topic is matched with in the time that an entry takes to drop.
	rulesOfStep = 16
)

// Configure replaces rules and limit. Topics that are no longer declared are gone with their events when it returns, and so is what
// their readers can resume: that counts as a loss, also when the topic is declared again. The others keep what the new retention
// allows. Publishers and readers go on meanwhile.
func (m *Memory) Configure(rules []Rule, limit int64) {
	m.configuring.Lock()
	defer m.configuring.Unlock()
	m.configure(rules, limit)
}

func (m *Memory) configure(rules []Rule, limit int64) {
	now := m.clock()
	m.declare(newRules(rules), limit)
	m.sweep(&m.mu, func(t *topic, steps *int) bool { return m.govern(t, now, steps) })
	m.inSteps(func(steps *int) bool { return m.shrink(now, steps) })
	m.inSteps(func(steps *int) bool { return m.expire(now, steps) })
	m.prune()
}

// declare puts rules in place of those that there are. One whose selector stays is the same as before. One that is new may take
// topics over from any other that it overlaps with, so it has lost what those have.
func (m *Memory) declare(rules []*rule, limit int64) {
	type heir struct{ to, from *rule }
	var heirs []heir
	others := slices.Concat(m.rules, m.retired)
	next := slices.Clone(rules)
	for i, r := range rules {
		if old := find(m.rules, r); old != nil {
			next[i] = old
			continue
		}
		for _, o := range others {
			if r.Selector.Overlaps(o.Selector) {
				heirs = append(heirs, heir{r, o})
			}
		}
	}
	retired := slices.DeleteFunc(others, func(o *rule) bool { return find(next, o) != nil })
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, r := range rules {
		next[i].Events, next[i].Age = r.Events, r.Age
	}
	for _, h := range heirs {
		h.to.floor.include(h.from.floor)
		h.to.any.include(h.from.any)
	}
	m.rules, m.retired, m.limit = next, retired, limit
	m.declarations++
}

// find returns the rule with the same selector as another; nil is none.
func find(among []*rule, as *rule) *rule {
	i := slices.IndexFunc(among, func(r *rule) bool { return r.Selector.String() == as.Selector.String() })
	if i < 0 {
		return nil
	}
	return among[i]
}

// govern gives a topic its new rule, or removes it when it has none, and says whether it is done.
func (m *Memory) govern(t *topic, now time.Time, steps *int) bool {
	*steps -= len(m.rules) / rulesOfStep
	r := m.governing(t.name)
	if r == nil {
		for ; t.ring.count > 0; *steps-- {
			if *steps <= 0 {
				return false
			}
			m.loses(t, m.pop(t))
		}
		m.ages.note(t)
		m.forget(t)
		return true
	}
	t.rule.events -= t.ring.count
	r.events += t.ring.count
	t.rule = r
	m.ages.note(t)
	return m.trim(t, now, steps)
}

// prune forgets the rules that are no longer declared and whose topics lost nothing, and the oldest of too many: what their topics lost
// counts for every topic from then on.
func (m *Memory) prune() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retired = slices.DeleteFunc(m.retired, func(r *rule) bool { return r.floor.all.seq == 0 })
	surplus := max(0, len(m.retired)-maxRetired)
	var lost, any losses
	for _, r := range m.retired[:surplus] {
		lost.include(r.floor)
		any.include(r.any)
	}
	m.retired = slices.Delete(m.retired, 0, surplus)
	for _, rules := range [...][]*rule{m.rules, m.retired} {
		for _, r := range rules {
			r.floor.include(lost)
			r.any.include(any)
		}
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
	m.mu.RLock()
	defer m.mu.RUnlock()
	u := Usage{Topics: len(m.topics.all), Bytes: m.bytes, Events: m.all.count, Rules: make([]RuleUsage, len(m.rules))}
	for i, r := range m.rules {
		u.Rules[i] = RuleUsage{Selector: r.Selector.String(), Events: r.events}
	}
	return u
}
