package eventlog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// model is a log, what was published to it, and readers that come and go, in an order that chance draws.
type model struct {
	*Memory
	t       *testing.T
	r       *rand.Rand
	now     time.Time
	sent    []sent
	ended   map[string][]uint64 // heads at which topics were completed
	readers []*follower
	next    *fed   // that is filled to go on with
	whole   bool   // it is filled by one feed
	former  []*fed // that went before, and still have readers
}

// sent is an event as its publisher knows it.
type sent struct {
	seq        uint64
	topic, key string
	until      time.Time
}

// follower is a reader that comes back at its cursor, with what it got and was told.
type follower struct {
	sub           *Subscription
	selectors     []event.Selector
	conflate      bool
	start, cursor uint64
	left          map[uint64]bool // out of what it began with
	got           map[uint64]bool
	told          []notice
}

// notice is a gap notice for one topic or pattern, that came when the log had so many events.
type notice struct {
	name string
	head uint64
}

// TestNothingIsLostInSilence holds that each event that a reader chose either reaches it, once and in order, or is named by a gap
// notice, whatever retention, reloads and reconnects do meanwhile; but for those that are stale or, to readers who conflate, replaced.
func TestNothingIsLostInSilence(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 9))
		m := &model{t: t, r: r, now: time.Unix(1000, 0), ended: map[string][]uint64{}}
		m.Memory = NewMemory(m.someRules(), 1<<20, time.Duration(r.IntN(3))*time.Second)
		m.clock = func() time.Time { return m.now }
		for range 400 {
			m.step()
		}
		m.checkBytes()
		for _, l := range m.former {
			feedAll(t, l.feed, l.Memory)
		}
		for _, f := range m.readers {
			for m.read(f) {
				continue
			}
			m.check(f, m.Head().Seq)
		}
		if t.Failed() {
			t.Logf("with seed %d", seed)
			return
		}
	}
}

func (m *model) step() {
	switch k := m.r.IntN(100); {
	case k < 54:
		m.publish()
	case k < 55:
		m.complete()
	case k < 60:
		m.now = m.now.Add(time.Duration(m.r.IntN(3000)) * time.Millisecond)
	case k < 62:
		m.Expire()
	case k < 64:
		m.Configure(m.someRules(), int64(2000+m.r.IntN(1<<14)))
		m.Configure(m.someRules(), 1<<20)
	case k < 68:
		m.open(&follower{selectors: sels(m.some([]string{">", "a.*", "a.1 b", "a.x.* a.2", "b", "a.> c.*", "*.1 a.x.2"})...), conflate: m.r.IntN(3) == 0, left: map[uint64]bool{}, got: map[uint64]bool{}}, Start{Replay: m.r.IntN(4), Earliest: m.r.IntN(4) == 0})
	case len(m.readers) > 0 && k < 72:
		i := m.r.IntN(len(m.readers))
		f := m.readers[i]
		m.readers = slices.Delete(m.readers, i, i+1)
		m.open(f, at(m.Memory, f.cursor))
	case k < 80:
		if m.feed() {
			m.Configure(m.someRules(), 1<<20)
		}
	case len(m.readers) > 0:
		m.read(m.readers[m.r.IntN(len(m.readers))])
	}
}

// some draws one of several lists of names.
func (m *model) some(of []string) []string { return strings.Fields(of[m.r.IntN(len(of))]) }

func (m *model) someRules() (rules []Rule) {
	for _, name := range m.some([]string{">", "a.> b", "a.* b >", "a.1 a.> b", "b", "a.x.* >"}) {
		rules = append(rules, Rule{sel(name), 1 + m.r.IntN(8), time.Duration(1+m.r.IntN(20)) * time.Second})
	}
	return rules
}

func (m *model) publish() {
	topics := []string{"a.1", "a.2", "a.x.1", "a.x.2", "b", "c.1", "c.2.3"}
	e := event.Event{Topic: topics[m.r.IntN(len(topics))], Data: make([]byte, m.r.IntN(200)), TTL: time.Duration(max(0, m.r.IntN(8)-3)) * time.Second}
	if m.r.IntN(2) == 0 {
		e.Key = fmt.Sprint(m.r.IntN(3))
	}
	e.Last = m.r.IntN(200) == 0
	receipt, err := m.Append(&e)
	if err != nil {
		return // it is not declared now
	}
	one := sent{seq: receipt.ID.Seq, topic: e.Topic, key: e.Key}
	if e.TTL > 0 {
		one.until = m.now.Add(e.TTL)
	}
	m.sent = append(m.sent, one)
	if e.Last {
		m.ended[e.Topic] = append(m.ended[e.Topic], one.seq)
	}
}

func (m *model) complete() {
	topic := []string{"a.1", "b", "c.1"}[m.r.IntN(3)]
	if end, err := m.Complete(topic); err == nil {
		m.ended[topic] = append(m.ended[topic], end.Seq)
	}
}

// open lets a reader in, if what it chooses is declared now.
func (m *model) open(f *follower, start Start) {
	start.Conflate = f.conflate
	l := m.log(f.cursor)
	sub, o, err := l.Subscribe(f.selectors, start)
	if err != nil {
		return
	}
	if start.Cursor == "" {
		f.start = o.Cursor.Seq
		m.leave(l, f, start)
	}
	if o.Cursor.Seq < f.cursor {
		m.t.Errorf("%v led a reader back from %d", o, f.cursor)
	}
	f.sub, f.cursor = sub, o.Cursor.Seq
	f.tell(m.Memory, o.Lost)
	m.readers = append(m.readers, f)
}

// leave notes the events that a new reader does not ask for.
func (m *model) leave(l *Memory, f *follower, start Start) {
	for _, e := range m.sent {
		f.left[e.seq] = e.seq <= l.Head().Seq
	}
	for _, t := range l.topics.all {
		events := start.Replay
		if start.Earliest {
			events = t.rule.Events
		}
		for i := max(0, t.ring.count-events); i < t.ring.count; i++ {
			delete(f.left, t.ring.at(i).Seq)
		}
	}
}

func (m *model) read(f *follower) (more bool) {
	b := f.sub.Read(f.cursor, 1+m.r.IntN(400), nil)
	f.tell(m.Memory, b.Lost)
	last := f.cursor
	for _, e := range b.Entries {
		if e.Seq <= last || f.got[e.Seq] || !chosen(f.selectors, e.Topic) {
			m.t.Errorf("%v got %d of %s after %d", f.selectors, e.Seq, e.Topic, last)
		}
		last, f.got[e.Seq] = e.Seq, true
	}
	if b.Cursor < last || b.More && b.Cursor == f.cursor {
		m.t.Errorf("from %d to %d, with %d", f.cursor, b.Cursor, last)
	}
	f.cursor = b.Cursor
	if b.Complete {
		m.checkEnd(f)
	}
	return b.More
}

// check holds that a reader got, or was told of, what it chose of the events up to one.
func (m *model) check(f *follower, upTo uint64) {
	for i, e := range m.sent {
		if e.seq > upTo {
			return
		}
		stale := !e.until.IsZero() && !m.now.Before(e.until)
		replaced := f.conflate && slices.ContainsFunc(m.sent[i+1:], func(o sent) bool { return o.topic == e.topic && o.key == e.key })
		if e.seq <= f.start || f.left[e.seq] || !chosen(f.selectors, e.topic) || f.got[e.seq] || stale || replaced {
			continue
		}
		if !slices.ContainsFunc(f.told, func(n notice) bool { return n.head >= e.seq && sel(n.name).Match(e.topic) }) {
			m.t.Errorf("%v (conflating: %t) lost %d of %s, told %v", f.selectors, f.conflate, e.seq, e.topic, f.told)
			return
		}
	}
}

// checkBytes holds the count of bytes against what is there.
func (m *model) checkBytes() {
	m.Expire() // an append may have left some to be counted
	var sum, lingering int64
	at := m.all.after(0)
	for e := at.next(); e != nil; e = at.next() {
		sum += e.cost()
	}
	for _, t := range m.topics.all {
		sum += t.cost()
		for i := range t.excess() {
			lingering += t.ring.at(i).cost()
		}
	}
	var nodes func(n *tree) int64
	nodes = func(n *tree) (below int64) {
		n.eachBelow(func(next *tree) bool {
			below += 1 + nodes(next)
			return true
		})
		return below
	}
	sum += nodeOverhead * nodes(&m.topics.tree)
	if lingering != m.lingering {
		m.t.Errorf("%d bytes of what lingers are counted as %d", lingering, m.lingering)
	}
	if sum != m.bytes {
		m.t.Errorf("%d bytes are counted as %d", sum, m.bytes)
	}
}

func chosen(by []event.Selector, topic string) bool {
	return slices.ContainsFunc(by, func(s event.Selector) bool { return s.Match(topic) })
}
