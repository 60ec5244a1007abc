package eventlog

import "time"

// nearby is how many entries and topics one read looks through. A reader is nearly always fewer behind, and one that is farther behind
// takes as many reads as it needs: the log is free between them.
const nearby = 1024

// Batch is what a read found.
type Batch struct {
	// Entries are the next ones in the order of their sequence.
	Entries []*Entry
	// Cursor is where to read on: up to it everything is in Entries, or lost.
	Cursor uint64
	// Lost names topics that lost events after the reader's cursor, each loss once.
	Lost []string
	// More says that others follow: to read on at once is worth it.
	More bool
	// Complete says that nothing follows and nothing ever will.
	Complete bool

	now    time.Time
	room   int // for text
	looked int // entries that were looked at
}

// lockForReading drops what is due, and locks the log for who only reads.
func (m *Memory) lockForReading(now time.Time) {
	m.mu.RLock()
	if m.ages.pending(m.time(now)) {
		m.mu.RUnlock()
		hold(&m.mu, func(steps *int) bool { return m.expire(now, steps) })
		m.mu.RLock()
	}
}

// Read returns the next entries after a cursor, and no more after maxBytes of text. There may be none when it has looked through many
// of other topics and More follow. They are put into the given slice.
func (s *Subscription) Read(after uint64, maxBytes int, into []*Entry) Batch {
	m := s.log
	now := m.clock()
	m.lockForReading(now)
	defer m.mu.RUnlock()
	b := Batch{Entries: into[:0], Cursor: m.head.Load(), now: now, room: maxBytes}
	if b.Cursor <= after {
		b.Cursor = after
	} else {
		s.read(after, &b)
	}
	b.Complete = !b.More && s.complete(b.Cursor, now)
	return b
}

// read merges the rings of the topics that are chosen, if they are found by looking at no more topics than there are entries to walk
// through: then the others' entries cost nothing. Else it walks. It does so too while it finds much, since merging many rings is slow.
func (s *Subscription) read(after uint64, b *Batch) {
	b.Lost = s.losses(after)
	m := s.log.merges.Get().(*merge)
	at, most := s.log.all.after(after), nearby
	few := s.few(int(min(b.Cursor-after, nearby)), m.add)
	if few {
		most = len(m.topics)
	}
	switch {
	case few && most <= fewRings:
		m.run(s, after, b)
	case s.walk(&at, most, b):
	case few && rare*len(b.Entries) < most:
		m.run(s, b.Cursor, b)
	default:
		s.walk(&at, nearby, b)
	}
	m.clear()
	s.log.merges.Put(m)
}

// look takes an entry, if it is for the subscription and still worth it. It says no when there is no room for it, or when so many were
// looked at before.
func (s *Subscription) look(b *Batch, e *Entry, wanted bool, most int) bool {
	if b.looked >= most || wanted && b.room <= 0 {
		b.Cursor, b.More = e.Seq-1, true
		return false
	}
	if b.looked++; wanted && !e.Stale(b.now) && (!s.conflate || !e.superseded) {
		b.Entries = append(b.Entries, e)
		b.room -= len(e.Frame.Text())
	}
	return true
}

// walk looks through the entries of all topics, until so many were looked at, and says whether the read is at its end.
func (s *Subscription) walk(at *place, most int, b *Batch) bool {
	b.More = false
	for before := *at; ; before = *at {
		e := at.next()
		if e == nil {
			b.Cursor = s.log.head.Load()
			return true
		}
		if !s.look(b, e, s.wants(e), most) {
			*at = before
			return b.room <= 0 || most >= nearby
		}
	}
}

// Since implements Log.
func (m *Memory) Since(after uint64, limit int, into []*Entry) (entries []*Entry, upTo uint64, more bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	upTo = m.head.Load()
	if after >= upTo {
		return into, after, false
	}
	at := m.all.after(after)
	for e := at.next(); e != nil; e = at.next() {
		if limit--; limit < 0 {
			return into, into[len(into)-1].Seq, true
		}
		into = append(into, e)
	}
	return into, upTo, false
}
