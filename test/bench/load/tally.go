//go:build linux

package load

import (
	"sync/atomic"
	"time"
)

// tally counts what readers get of a course.
type tally struct {
	topics, backlog int
	notify          func() // that all caught up; may be nil
	course          Course
	words           int      // of the bitmap, for each reader
	seen            []uint64 // one bit for each reader and event of its topic
	progress        []progress
	behind          int // readers that do not have the whole backlog yet
	now             time.Duration
	skip            atomic.Bool
	expected, got   int
	doubled, stray  int
	stale, late     int
	ended           int
	last, caughtUp  time.Duration
	latency         Histogram
	reads, bytes    int
	busy            time.Duration
}

// progress of one reader.
type progress struct {
	got, backlog uint32
	next         uint32 // after the latest event of its topic that it got
	order        uint64 // a hash of the events in the order in which they came
}

func newTally(o ReaderOptions) tally {
	return tally{topics: o.Topics, backlog: o.Backlog, notify: o.CaughtUp, progress: make([]progress, o.Readers)}
}

func (t *tally) expect(c Course) {
	readers := len(t.progress)
	t.course, t.words = c, (c.of(0, c.Count)+63)/64
	if need := readers * t.words; need > cap(t.seen) {
		t.seen = make([]uint64, need)
	} else {
		t.seen = t.seen[:need]
		clear(t.seen)
	}
	clear(t.progress)
	t.expected, t.behind = 0, 0
	for i := range readers {
		topic := i % t.topics
		t.expected += c.of(topic, c.Count)
		t.progress[i].backlog = uint32(c.of(topic, min(t.backlog, c.Count)))
		if t.progress[i].backlog > 0 {
			t.behind++
		}
	}
	t.got, t.doubled, t.stray, t.stale, t.late, t.ended = 0, 0, 0, 0, 0, 0
	t.reads, t.bytes, t.busy, t.last, t.caughtUp = 0, 0, 0, 0, 0
	t.latency = Histogram{}
}

// outstanding returns how many events of the course a reader has not got.
func (t *tally) outstanding(reader int) int {
	return t.course.of(reader%t.topics, t.course.Count) - int(t.progress[reader].got)
}

// arrived notes a read.
func (t *tally) arrived(n int) {
	t.now = time.Since(t.course.Start)
	t.reads++
	t.bytes += n
}

// delivered notes an event that a reader got.
func (t *tally) delivered(reader int, m mark) {
	e := int(m.seq - t.course.First) // below First it is very large
	if e >= t.course.Count {
		t.stale++
		return
	}
	if e%t.course.Topics != reader%t.topics {
		t.stray++
		return
	}
	n := e / t.course.Topics
	word, bit := &t.seen[reader*t.words+n/64], uint64(1)<<(n%64)
	if *word&bit != 0 {
		t.doubled++
		return
	}
	*word |= bit
	p := &t.progress[reader]
	p.got++
	// FNV-1a, a number at a time.
	p.order = (p.order ^ uint64(n+1)) * 1099511628211
	if uint32(n) < p.next {
		t.late++
	} else {
		p.next = uint32(n) + 1
	}
	t.got++
	t.last = t.now
	if !t.skip.Load() {
		t.latency.Add(t.now - m.sent)
	}
	if e < t.backlog {
		t.backlogGot(p)
	}
}

func (t *tally) backlogGot(p *progress) {
	if p.backlog--; p.backlog > 0 {
		return
	}
	if t.behind--; t.behind > 0 {
		return
	}
	if t.caughtUp = t.now; t.notify != nil {
		t.notify()
	}
}

// Received returns what came of the course until now.
func (t *tally) Received() Received {
	return Received{
		Expected: t.expected, Got: t.got, Doubled: t.doubled, Stray: t.stray, Stale: t.stale, Late: t.late, Disordered: t.disordered(),
		Ended: t.ended, Last: t.last, CaughtUp: t.caughtUp, Latency: t.latency, Reads: t.reads, Bytes: t.bytes, Busy: t.busy,
	}
}

// disordered counts readers whose order is not that of the first reader of their topic, among those that got everything.
func (t *tally) disordered() (n int) {
	first := make([]int, t.topics)
	for i, p := range t.progress {
		topic := i % t.topics
		if int(p.got) < t.course.of(topic, t.course.Count) {
			continue
		}
		switch f := first[topic]; {
		case f == 0:
			first[topic] = i + 1
		case t.progress[f-1].order != p.order:
			n++
		}
	}
	return n
}
