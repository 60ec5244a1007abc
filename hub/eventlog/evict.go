package eventlog

import "time"

// maxIdleTopics is how many empty dynamic topics are remembered: enough that a topic outlives the absence of its readers on a
// busy day, at some 400 bytes each.
const maxIdleTopics = 16384

// Expire drops what is older than its rule's age, and what has lingered. Append and Read do so too; a log at rest needs it called now
// and then, so that its memory is given back.
func (m *Memory) Expire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	m.trimFull(now)
	m.expire(now)
	m.sent.forget(now)
}

// evict makes room after an append to t.
func (m *Memory) evict(t *topic, now time.Time) {
	m.trim(t, now)
	m.expire(now)
	m.shrink(now)
}

// trim keeps a topic to its rule's number of events, but for those that linger.
func (m *Memory) trim(t *topic, now time.Time) {
	for t.excess() > 0 {
		if now.Sub(t.ring.oldest().At) < m.linger {
			if !t.full {
				t.full = true
				m.full = append(m.full, t)
			}
			return
		}
		m.drop(t, now)
	}
}

// trimFull trims the topics that have had more events than they keep.
func (m *Memory) trimFull(now time.Time) {
	was := m.full
	m.full = nil
	for _, t := range was {
		t.full = false
		if m.topics[t.name] == t {
			m.trim(t, now)
		}
	}
}

// excess is how many events a topic has more than it keeps.
func (t *topic) excess() int { return t.ring.count - t.rule.Events }

// shrink keeps to the limit. What lingers goes first, then topics without events, then events, then
// topics that are complete.
func (m *Memory) shrink(now time.Time) {
	for m.bytes > m.limit {
		if m.dropExcess(now) || m.forgetIdle() {
			continue
		}
		if m.all.oldest != nil {
			m.drop(m.all.oldest.topic, now)
		} else if !m.ended.pop(m) {
			return
		}
	}
}

// dropExcess drops one event that lingers, and says whether there was one.
func (m *Memory) dropExcess(now time.Time) bool {
	for len(m.full) > 0 {
		t := m.full[0]
		if m.topics[t.name] == t && t.excess() > 0 {
			m.drop(t, now)
			return true
		}
		t.full = false
		m.full = m.full[1:]
	}
	return false
}

// expire costs nothing until something is due, and then one step for each entry that goes and each rule.
func (m *Memory) expire(now time.Time) {
	if m.expiry.IsZero() || now.Before(m.expiry) {
		return
	}
	m.expiry = time.Time{}
	for _, r := range m.rules {
		for e := r.aging.oldest; e != nil; e = r.aging.oldest {
			if due := e.At.Add(r.Age); due.After(now) {
				if m.expiry.IsZero() || due.Before(m.expiry) {
					m.expiry = due
				}
				break
			}
			m.drop(e.topic, now)
		}
	}
}

// drop removes a topic's oldest entry. Each list holds the entries of a topic in their order, so the oldest of a list is
// always the oldest of its topic.
func (m *Memory) drop(t *topic, now time.Time) {
	t.rule.aging.remove(t.ring.oldest())
	e := m.pop(t)
	if !e.Stale(now) {
		m.loses(t, e)
	}
	m.rest(t)
}

// pop takes a topic's oldest entry out of all but its rule's list.
func (m *Memory) pop(t *topic) *Entry {
	e := t.ring.pop()
	m.marks.remove(e)
	m.all.remove(e)
	m.bytes -= e.cost()
	t.bytes -= e.cost()
	t.unsupersede(e)
	return e
}

// loses notes the loss of a topic's entry.
func (m *Memory) loses(t *topic, e *Entry) {
	m.drops++
	l := loss{seq: e.Seq, at: m.drops, stored: e.At.UnixMicro()}
	lost := losses{all: l}
	if !e.superseded {
		lost.newest = l
	}
	t.lost.include(lost)
	m.lost.include(lost)
	m.unlink(t)
	if t.older = m.losers; t.older != nil {
		t.older.newer = t
	}
	m.losers = t
}

// unlink takes a topic out of those that lost something, if it is there.
func (m *Memory) unlink(t *topic) {
	if m.losers == t {
		m.losers = t.older
	}
	if t.newer != nil {
		t.newer.older = t.older
	}
	if t.older != nil {
		t.older.newer = t.newer
	}
	t.older, t.newer = nil, nil
}

// rest notes that a topic may have become idle, and forgets the topic that has been so for longest when there are too many.
func (m *Memory) rest(t *topic) {
	if t.idle || t.ring.count > 0 || t.rule.Selector.Exact() {
		return
	}
	t.idle = true
	m.idle = append(m.idle, t)
	for len(m.idle) > maxIdleTopics && m.forgetIdle() {
		continue
	}
}

// forgetIdle forgets the topic that has been idle for longest, and says whether there was one.
func (m *Memory) forgetIdle() bool {
	for len(m.idle) > 0 {
		t := m.idle[0]
		m.idle = m.idle[1:]
		t.idle = false
		switch {
		case t.ring.count > 0 || m.topics[t.name] != t:
		case t.complete:
			m.ended.push(t, m)
		default:
			m.forget(t)
			return true
		}
	}
	return false
}

// forget removes an empty topic. What it lost is remembered by its rule.
func (m *Memory) forget(t *topic) {
	t.rule.floor.include(t.lost)
	m.unlink(t)
	m.bytes -= t.cost()
	delete(m.topics, t.name)
}
