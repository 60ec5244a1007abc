package eventlog

import (
	"container/heap"
	"time"
)

// nearby is how many entries of all topics one read looks through. A reader of many topics is nearly always fewer behind. One of
// patterns that is farther behind takes as many reads as it needs, and the log is free between them: the topics that it chooses may be
// very many, and asking each of them what comes next costs more the more there are.
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

// Read returns the next entries after a cursor, and no more after maxBytes of text. There may be none when it has looked through many
// of other topics and More follow. They are put into the given slice.
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
	switch near := b.Cursor-after <= nearby; {
	case near && (len(s.patterns) > 0 || len(s.names) > 1):
		s.walk(s.log.newerThan(after), maxBytes, b)
	case len(s.patterns) > 0:
		s.walk(s.log.marks.after(after), maxBytes, b)
	default:
		s.readTopics(after, maxBytes, b)
	}
}

// take adds an entry, if there is room for it and it is still worth it.
func (s *Subscription) take(b *Batch, e *Entry, room *int) bool {
	if e.Stale(b.now) || s.conflate && e.superseded {
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

// newerThan returns the oldest entry that is newer than a position near the end; nil is none.
func (m *Memory) newerThan(after uint64) (oldest *Entry) {
	for e := m.all.newest; e != nil && e.Seq > after; e = e.global.older {
		oldest = e
	}
	return oldest
}

// following returns the oldest entry that is newer than a position; nil is none.
func (m *Memory) following(after uint64) *Entry {
	if m.head.Load()-after <= nearby {
		return m.newerThan(after)
	}
	return m.marks.after(after)
}

// Since implements Log.
func (m *Memory) Since(after uint64, limit int, into []*Entry) (entries []*Entry, upTo uint64, more bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	upTo = m.head.Load()
	if after >= upTo {
		return into, after, false
	}
	for e := m.following(after); e != nil; e = e.global.newer {
		if limit--; limit < 0 {
			return into, into[len(into)-1].Seq, true
		}
		into = append(into, e)
	}
	return into, upTo, false
}

// walk looks through the entries of all topics from one on.
func (s *Subscription) walk(from *Entry, maxBytes int, b *Batch) {
	looked := 0
	for e := from; e != nil; e = e.global.newer {
		if looked++; looked > nearby {
			b.Cursor, b.More = e.Seq-1, true
			return
		}
		if s.chooses(e.topic) && e.Seq > s.starts[e.topic] && !s.take(b, e, &maxBytes) {
			return
		}
	}
}

// readTopics merges the rings of the topics that are chosen by name, each from the cursor on.
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
