package eventlog

const (
	// maxIdleTopics is how many empty dynamic topics are remembered, and as many that are complete: enough that a topic outlives the
	// absence of its readers on a busy day, at some 500 bytes each.
	maxIdleTopics = 16384
	// endedShare is the part of a log's limit that empty topics that are complete take at most, where events need it. Readers who come
	// late are to be told of the end, so they outlive other empty topics and some events.
	endedShare = 8
	// lingerShare is the part of a log's limit that lingering events take at most, where events that are kept need it. A busy log is
	// always at its limit: if what lingers went first then, it would be gone before the readers wake up.
	lingerShare = 8
)

// settle puts a topic among those of its state, and forgets the one that has been idle for longest when there are too many.
func (m *Memory) settle(t *topic) {
	var in *chain
	switch {
	case t.excess() > 0:
		in = &m.full
	case t.ring.count > 0 || t.rule.Selector.Exact():
	case t.complete:
		in = &m.ended
	default:
		in = &m.idle
	}
	m.stand(t, in)
	if in != nil && in != &m.full && in.count > maxIdleTopics && !m.filling {
		m.forget(in.oldest)
	}
}

// stand moves a topic to a chain; nil is to none.
func (m *Memory) stand(t *topic, in *chain) {
	if t.chain == in {
		return
	}
	if t.chain != nil {
		t.chain.remove(t)
	}
	if t.chain = in; in != nil {
		in.push(t)
	}
}

// countLingering counts the events that a topic has more than it keeps among those that linger, and says whether it is done.
func (m *Memory) countLingering(t *topic, steps *int) bool {
	for ; t.lingering < t.excess() && *steps > 0; *steps-- {
		m.lingering += t.ring.at(t.lingering).cost()
		t.lingering++
	}
	for ; t.lingering > max(0, t.excess()) && *steps > 0; *steps-- {
		t.lingering--
		m.lingering -= t.ring.at(t.lingering).cost()
	}
	return t.lingering == max(0, t.excess())
}
