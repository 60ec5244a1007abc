package eventlog

import (
	"container/heap"
	"time"
)

// nearby is how many of the newest entries a read looks through before it asks each topic instead: a reader of many topics is
// nearly always only a few events behind.
const nearby = 1024

// Batch is what a read found.
type Batch struct {
	// Entries are the next ones in the order of their sequence.
	Entries []*Entry
	// Cursor is where to read on: up to it everything is in Entries, or lost.
	Cursor uint64
	// Lost names topics that lost events after the reader's cursor, each loss once.
	Lost []string
	// More says that another read will find entries at once.
	More bool
	// Complete says that nothing follows and nothing ever will.
	Complete bool

	now time.Time
}

// Read returns the next entries after a cursor, at least one if there is any, and no more after maxBytes of text. They are put
// into the given slice.
func (s *Subscription) Read(after uint64, maxBytes int, into []*Entry) Batch {
	m := s.log
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	m.expire(now)
	b := Batch{Entries: into[:0], Cursor: m.head.Load(), now: now}
	if b.Cursor <= after {
		b.Cursor = after
	} else {
		s.read(after, maxBytes, &b)
	}
	b.Complete = !b.More && s.complete(b.Cursor, now)
	return b
}

func (s *Subscription) read(after uint64, maxBytes int, b *Batch) {
	b.Lost = s.losses(after)
	if after >= s.replayed {
		s.starts = nil
	}
	if b.Cursor-after <= nearby && (len(s.patterns) > 0 || len(s.names) > 1) {
		s.readRecent(after, maxBytes, b)
	} else {
		s.readTopics(after, maxBytes, b)
	}
}

// take adds an entry, if there is room for it and it is still worth it.
func (s *Subscription) take(b *Batch, e *Entry, room *int) bool {
	if e.stale(b.now) || s.conflate && e.superseded {
		return true
	}
	if *room <= 0 {
		b.Cursor, b.More = b.Entries[len(b.Entries)-1].Seq, true
		return false
	}
	b.Entries = append(b.Entries, e)
	*room -= len(e.Frame.Text())
	return true
}

// readRecent walks over the newest entries of all topics.
func (s *Subscription) readRecent(after uint64, maxBytes int, b *Batch) {
	var oldest *Entry
	for e := s.log.all.newest; e != nil && e.Seq > after; e = e.global.older {
		oldest = e
	}
	for e := oldest; e != nil; e = e.global.newer {
		if s.chooses(e.topic) && e.Seq > s.starts[e.topic] && !s.take(b, e, &maxBytes) {
			return
		}
	}
}

// readTopics merges the rings of the chosen topics, each from the cursor on.
func (s *Subscription) readTopics(after uint64, maxBytes int, b *Batch) {
	var merge sources
	s.each(func(t *topic) {
		if i := t.ring.after(s.from(t, after)); i < t.ring.count {
			merge = append(merge, source{&t.ring, i})
		}
	})
	heap.Init(&merge)
	for len(merge) > 0 {
		if !s.take(b, merge[0].ring.at(merge[0].next), &maxBytes) {
			return
		}
		if merge[0].next++; merge[0].next == merge[0].ring.count {
			heap.Pop(&merge)
		} else {
			heap.Fix(&merge, 0)
		}
	}
}

// source is a ring that is read from an index on.
type source struct {
	ring *ring
	next int
}

// sources is a heap by the next sequence.
type sources []source

func (s sources) Len() int           { return len(s) }
func (s sources) Less(i, j int) bool { return s[i].seq() < s[j].seq() }
func (s sources) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *sources) Push(x any)        { *s = append(*s, x.(source)) }
func (s *sources) Pop() any {
	last := len(*s) - 1
	x := (*s)[last]
	*s = (*s)[:last]
	return x
}
func (s source) seq() uint64 { return s.ring.at(s.next).Seq }
