package eventlog

import "sort"

// ring is a queue of a topic's entries, oldest first. It grows by doubling up to what retention lets it hold, so that a topic
// with one event costs one slot.
type ring struct {
	slots []*Entry // len is a power of two
	first int      // of the oldest
	count int
}

func (r *ring) at(i int) *Entry { return r.slots[(r.first+i)&(len(r.slots)-1)] }

func (r *ring) oldest() *Entry { return r.slots[r.first] }

func (r *ring) push(e *Entry) {
	if r.count == len(r.slots) {
		grown := make([]*Entry, max(1, 2*len(r.slots)))
		for i := range r.count {
			grown[i] = r.at(i)
		}
		r.slots, r.first = grown, 0
	}
	r.slots[(r.first+r.count)&(len(r.slots)-1)] = e
	r.count++
}

func (r *ring) pop() *Entry {
	e := r.slots[r.first]
	r.slots[r.first] = nil
	r.first = (r.first + 1) & (len(r.slots) - 1)
	r.count--
	if r.count == 0 {
		r.slots, r.first = nil, 0
	}
	return e
}

// after returns the index of the oldest entry that is newer than a position.
func (r *ring) after(seq uint64) int {
	// Most readers are near the end.
	if r.count == 0 || r.at(r.count-1).Seq <= seq {
		return r.count
	}
	return sort.Search(r.count, func(i int) bool { return r.at(i).Seq > seq })
}
