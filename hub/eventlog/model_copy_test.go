package eventlog

import (
	"slices"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// fed is a log that is fed by the one that appends.
type fed struct {
	*Memory
	feed *Feed
}

func (m *model) feedFrom(l *Memory) *fed {
	f, err := m.Feed(l.Position())
	if err != nil {
		m.t.Fatal(err)
	}
	return &fed{l, f}
}

// feed tells another log a little, or begins to fill one, or hands over to that and says so.
func (m *model) feed() (handedOver bool) {
	for _, l := range m.former {
		m.tell(l)
	}
	switch {
	case m.next == nil:
		c := NewMemory(nil, 1<<20, m.linger)
		c.clock, c.began = m.clock, m.now.Add(-time.Duration(m.r.IntN(1000))*time.Second)
		if err := c.Copy(m.Epoch()); err != nil {
			m.t.Fatal(err)
		}
		m.next = m.feedFrom(c)
	case m.r.IntN(8) == 0:
		m.handOver()
		return true
	default:
		m.tell(m.next)
	}
	return false
}

// tell tells a log a few records, of which some may be lost on the way.
func (m *model) tell(l *fed) {
	records, _ := l.feed.Next(1+m.r.IntN(20), nil)
	cut := m.r.IntN(20) == 0 && (!m.whole || l != m.next)
	if cut && len(records) > 0 {
		records = records[:m.r.IntN(len(records))]
	}
	if _, err := l.Replicate(records); err != nil {
		m.t.Fatal(err)
	}
	if cut {
		*l = *m.feedFrom(l.Memory)
	}
}

// handOver goes on with the copy; who reads the former log stays there.
func (m *model) handOver() {
	end := m.Seal()
	feedAll(m.t, m.next.feed, m.next.Memory)
	if _, err := m.Append(&event.Event{Topic: "a.1"}); err == nil {
		m.t.Fatal("two logs append in one epoch")
	}
	if err := m.next.Unseal(end); err != nil {
		m.t.Fatal(err)
	}
	before := m.Memory
	for _, l := range m.former {
		feedAll(m.t, l.feed, l.Memory)
	}
	m.Memory, m.next = m.next.Memory, nil
	m.former = append(m.former, &fed{Memory: before})
	for i, l := range m.former {
		m.former[i] = m.feedFrom(l.Memory)
	}
}

// log draws one that a reader may come to with a cursor.
func (m *model) log(cursor uint64) *Memory {
	if i := m.r.IntN(1 + len(m.former)); i > 0 && cursor <= m.former[i-1].Head().Seq {
		return m.former[i-1].Memory
	}
	return m.Memory
}

// checkEnd holds that a reader who is told that its topics are complete has, of each, all up to an end of it.
func (m *model) checkEnd(f *follower) {
	for _, topic := range f.selectors {
		name := topic.String()
		newest := uint64(0)
		for _, e := range m.sent {
			if e.topic == name && f.got[e.seq] {
				newest = e.seq
			}
		}
		i := slices.IndexFunc(m.ended[name], func(end uint64) bool { return end >= newest })
		if i < 0 {
			m.t.Errorf("%v is told that %s is complete, which ended at %v, after %d", f.selectors, name, m.ended[name], newest)
			continue
		}
		one := *f
		one.selectors = []event.Selector{topic}
		m.check(&one, m.ended[name][i])
	}
}
