package eventlog

import (
	"slices"
	"sort"
)

// spanSize is how many sequences one span stands for. Its whole array is 8 KiB.
const spanSize = 1024

// order holds all entries by their sequence, in spans of which any entry is retained. To find a sequence, to take an entry out and to go
// on to the next one cost O(1), whatever left before: a span is packed anew when half of it is gone.
type order struct {
	spans []span // by their number; some may be empty
	empty int    // spans
	front int    // of spans: all before it are empty
	count int    // entries
}

// span is the entries of spanSize sequences.
type span struct {
	number  uint64   // sequences by spanSize
	entries []*Entry // nil where one has left
	offsets []uint16 // the place of each entry in the span, where it is not that of its index: in a span that was packed
	first   int      // of entries: all before it have left
	live    int
	// stored is when the span began, in nanoseconds of Unix time, and drops how many entries the log had dropped by then.
	stored int64
	drops  uint64
}

// push adds the newest of all entries.
func (o *order) push(e *Entry, drops uint64) {
	number, offset := e.Seq/spanSize, int(e.Seq%spanSize)
	last := len(o.spans) - 1
	if last < 0 || o.spans[last].number != number {
		if offset > 1 { // a copy, whose last events were gone, begins it late: some may have been dropped after its first sequence
			drops = 0
		}
		o.spans = append(o.spans, span{number: number, stored: e.stored, drops: drops})
		if last >= 0 {
			o.tidy(last)
		}
		last = len(o.spans) - 1
	}
	s := &o.spans[last]
	for len(s.entries) < offset { // only in a log's first span
		s.entries = append(s.entries, nil)
	}
	s.entries = append(s.entries, e)
	s.live++
	o.count++
}

// remove takes out an entry.
func (o *order) remove(e *Entry) {
	i := o.index(e.Seq / spanSize)
	s := &o.spans[i]
	s.entries[s.index(uint16(e.Seq%spanSize))] = nil
	for s.first < len(s.entries) && s.entries[s.first] == nil {
		s.first++
	}
	s.live--
	o.count--
	if i < len(o.spans)-1 { // to the last one more are added
		o.tidy(i)
	}
}

// tidy gives back the memory of a span that takes no more entries, when half of it or all is gone.
func (o *order) tidy(i int) {
	switch s := &o.spans[i]; {
	case s.live == 0:
		s.entries, s.offsets, s.first = nil, nil, 0
		o.empty++
		for o.front < len(o.spans)-1 && len(o.spans[o.front].entries) == 0 {
			o.front++
		}
		if 2*o.empty > len(o.spans) {
			last := len(o.spans) - 1
			kept := make([]span, 0, len(o.spans)-o.empty)
			for at, s := range o.spans {
				if s.live > 0 || at == last {
					kept = append(kept, s)
				}
			}
			o.spans, o.empty, o.front = kept, 0, 0
		}
	case 2*s.live <= len(s.entries):
		s.pack()
	}
}

func (s *span) pack() {
	entries, offsets := make([]*Entry, 0, s.live), make([]uint16, 0, s.live)
	for _, e := range s.entries {
		if e != nil {
			entries, offsets = append(entries, e), append(offsets, uint16(e.Seq%spanSize))
		}
	}
	s.entries, s.offsets, s.first = entries, offsets, 0
}

// index of the span of a number, or of the one that follows it.
func (o *order) index(number uint64) int {
	if len(o.spans) == 0 || number <= o.spans[o.front].number {
		return o.front
	}
	// Nearly always none is missing up to the end.
	if guess := len(o.spans) - 1 - int(min(o.spans[len(o.spans)-1].number-number, uint64(len(o.spans)-1))); o.spans[guess].number == number {
		return guess
	}
	return sort.Search(len(o.spans), func(i int) bool { return o.spans[i].number >= number })
}

// index of the entry at an offset, or of the one that follows it.
func (s *span) index(offset uint16) int {
	if s.offsets == nil {
		return min(int(offset), len(s.entries))
	}
	i, _ := slices.BinarySearch(s.offsets, offset)
	return i
}

// oldest of all entries; nil is none.
func (o *order) oldest() *Entry {
	at := place{o.spans, o.front, 0}
	return at.next()
}

// after is the place behind a position.
func (o *order) after(seq uint64) place {
	i := o.index((seq + 1) / spanSize)
	if i < len(o.spans) && o.spans[i].number == (seq+1)/spanSize {
		return place{o.spans, i, o.spans[i].index(uint16((seq + 1) % spanSize))}
	}
	return place{o.spans, i, 0}
}

// before is the sequence of the newest entry that was stored before a time in nanoseconds of Unix time; 0 is none.
func (o *order) before(stored int64) uint64 {
	i := sort.Search(len(o.spans), func(i int) bool { return o.spans[i].stored >= stored })
	for i--; i >= 0; i-- {
		for _, e := range slices.Backward(o.spans[i].entries) {
			if e != nil && e.stored < stored {
				return e.Seq
			}
		}
	}
	return 0
}

// dropsAt is how many entries the log had dropped at some time before a position was its head, and seldom long before.
func (o *order) dropsAt(seq uint64) uint64 {
	i := sort.Search(len(o.spans), func(i int) bool { return o.spans[i].number > seq/spanSize })
	if i == 0 {
		return 0
	}
	return o.spans[i-1].drops
}

// place stands before an entry. It holds as long as the log is locked.
type place struct {
	spans []span
	i, j  int
}

// next goes on to the next entry and returns it; nil is none.
func (p *place) next() *Entry {
	for ; p.i < len(p.spans); p.i, p.j = p.i+1, 0 {
		s := &p.spans[p.i]
		for p.j = max(p.j, s.first); p.j < len(s.entries); {
			e := s.entries[p.j]
			if p.j++; e != nil {
				return e
			}
		}
	}
	return nil
}
