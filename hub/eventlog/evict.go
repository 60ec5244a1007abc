package eventlog

import "time"

// Expire drops what is older than its rule's age, and what has lingered. Append and Read do so too, but no more than a little at a
// time: a log needs it called now and then, so that its memory is given back.
func (m *Memory) Expire() {
	now := m.clock()
	m.inSteps(func(steps *int) bool { return m.expire(now, steps) })
	m.trimFull(now)
	m.inSteps(func(steps *int) bool { return m.sent.forget(m.time(now), steps) })
}

// evict makes room after an append to t, and says whether the log keeps to its limit.
func (m *Memory) evict(t *topic, now time.Time) bool {
	due, over := stepsOfAppend, stepsOfHold
	m.trim(t, now, &due)
	m.expire(now, &due)
	return m.shrink(now, &over)
}

// trim keeps a topic to its rule's number of events, but for those that linger. Like all that takes steps, it stops when they are used
// up, and says whether it is done.
func (m *Memory) trim(t *topic, now time.Time, steps *int) bool {
	at := m.time(now)
	for t.excess() > 0 && at-t.ring.oldest().at >= m.linger {
		if *steps <= 0 {
			break
		}
		*steps--
		m.drop(t, now)
	}
	m.settle(t)
	return m.countLingering(t, steps) && (t.excess() <= 0 || at-t.ring.oldest().at < m.linger)
}

// trimFull trims the topics that have had more events than they keep.
func (m *Memory) trimFull(now time.Time) {
	left := m.fullTopics()
	m.inSteps(func(steps *int) bool {
		for ; left > 0 && m.full.count > 0; left-- {
			t := m.full.oldest
			if *steps--; *steps <= 0 || !m.trim(t, now, steps) {
				return false
			}
			if t.chain == &m.full { // some linger still
				m.stand(t, nil)
				m.stand(t, &m.full)
			}
		}
		return true
	})
}

func (m *Memory) fullTopics() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.full.count
}

// shrink keeps to the limit. What lingers beyond its share goes first, then topics without events, then those that are complete and take
// more than theirs, then the oldest events, then the other topics that are complete.
func (m *Memory) shrink(now time.Time, steps *int) bool {
	for ; m.bytes > m.limit; *steps-- {
		switch {
		case *steps <= 0:
			return false
		case m.full.count > 0 && m.lingering > m.limit/lingerShare:
			m.drop(m.full.oldest, now)
		case m.idle.count > 0:
			m.forget(m.idle.oldest)
		case m.ended.bytes > m.limit/endedShare:
			m.forget(m.ended.oldest)
		case m.all.count > 0:
			m.drop(m.all.oldest().topic, now)
		case m.ended.count > 0:
			m.forget(m.ended.oldest)
		default:
			return true
		}
	}
	return true
}

// expire costs nothing until something is due, and then a step for each entry that goes and for each topic that is looked at.
func (m *Memory) expire(now time.Time, steps *int) bool {
	at := m.time(now)
	for t := m.ages.next(at); t != nil; t = m.ages.next(at) {
		if *steps--; *steps < 0 {
			return false
		}
		for ; t.expired(at) && *steps > 0; *steps-- {
			m.drop(t, now)
		}
		if t.ring.count > 0 {
			m.ages.note(t)
		}
	}
	return true
}

// drop removes a topic's oldest entry, which is a loss unless it is stale.
func (m *Memory) drop(t *topic, now time.Time) {
	if e := m.pop(t); !e.Stale(now) {
		m.loses(t, e)
	}
	if t.ring.count == 0 {
		m.ages.note(t)
	}
	m.settle(t)
}

// pop takes out a topic's oldest entry.
func (m *Memory) pop(t *topic) *Entry {
	e := t.ring.pop()
	t.lasting.pop(e)
	m.all.remove(e)
	cost := e.cost()
	m.bytes -= cost
	t.bytes -= cost
	if t.lingering > 0 {
		t.lingering--
		m.lingering -= cost
	}
	t.rule.events--
	t.unsupersede(e)
	return e
}

// loses notes the loss of a topic's entry.
func (m *Memory) loses(t *topic, e *Entry) {
	m.drops++
	l := loss{seq: e.Seq, at: m.drops, stored: e.stored}
	lost := losses{all: l}
	if !e.superseded {
		lost.newest = l
	}
	m.charge(t, &lost)
}

// charge notes what a topic lost just now, by the count of drops.
func (m *Memory) charge(t *topic, lost *losses) {
	t.lost.include(*lost)
	t.node.lose(*lost)
	m.lost.include(*lost)
	if m.losers.newest == t {
		return
	}
	if t.lossy {
		m.losers.remove(t)
	}
	t.lossy = true
	m.losers.push(t)
}
