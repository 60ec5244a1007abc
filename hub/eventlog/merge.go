package eventlog

import "container/heap"

const (
	// fewRings are so few that to merge them is always quick.
	fewRings = 64
	// rare is an entry that one finds by looking at no fewer than so many: then to merge even many rings is quicker.
	rare = 4
)

// merge reads several topics in the order of their entries' sequences. It is a heap by the next one.
type merge struct {
	topics  []*topic
	sources []source
}

// source is a ring that is read from an index on.
type source struct {
	seq  uint64
	ring *ring
	next int
}

func (m *merge) add(t *topic) { m.topics = append(m.topics, t) }

// clear makes it ready to be used again, and lets go of what it held.
func (m *merge) clear() {
	clear(m.topics)
	clear(m.sources)
	m.topics, m.sources = m.topics[:0], m.sources[:0]
}

// run hands a subscription the topics' entries after a position.
func (m *merge) run(s *Subscription, after uint64, b *Batch) {
	b.Cursor, b.More = s.log.head.Load(), false
	for _, t := range m.topics {
		if i := t.ring.after(s.from(t, after)); i < t.ring.count {
			m.sources = append(m.sources, source{t.ring.at(i).Seq, &t.ring, i})
		}
	}
	heap.Init(m)
	most := b.looked + nearby
	for len(m.sources) > 0 {
		first := &m.sources[0]
		if !s.look(b, first.ring.at(first.next), true, most) {
			return
		}
		if first.next++; first.next == first.ring.count {
			heap.Pop(m)
			continue
		}
		if first.seq = first.ring.at(first.next).Seq; len(m.sources) > 1 {
			heap.Fix(m, 0)
		}
	}
}

func (m *merge) Len() int           { return len(m.sources) }
func (m *merge) Less(i, j int) bool { return m.sources[i].seq < m.sources[j].seq }
func (m *merge) Swap(i, j int)      { m.sources[i], m.sources[j] = m.sources[j], m.sources[i] }

// Push is for package heap, and not used.
func (m *merge) Push(x any) { m.sources = append(m.sources, x.(source)) }

// Pop is for package heap; what it takes out is of no use any more.
func (m *merge) Pop() any {
	last := len(m.sources) - 1
	m.sources[last] = source{}
	m.sources = m.sources[:last]
	return nil
}
