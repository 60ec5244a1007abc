package eventlog

import (
	"slices"
	"sort"
)

// markSpan is how many sequences one mark stands for.
const markSpan = 1024

// marks find the place of a sequence among all entries: one mark for each span of sequences of which any entry is retained, in
// their order.
type marks struct {
	marks []mark
	empty int
}

// mark is the oldest entry of a span; nil when none of it is left.
type mark struct {
	span  uint64
	first *Entry
}

// push notes the newest of all entries.
func (k *marks) push(e *Entry) {
	span := e.Seq / markSpan
	last := len(k.marks) - 1
	switch {
	case last < 0 || k.marks[last].span != span:
		k.marks = append(k.marks, mark{span, e})
	case k.marks[last].first == nil:
		k.marks[last].first = e
		k.empty--
	}
}

// remove forgets an entry that is about to leave the list of all.
func (k *marks) remove(e *Entry) {
	at := &k.marks[k.index(e.Seq)]
	if at.first != e {
		return
	}
	if next := e.global.newer; next != nil && next.Seq/markSpan == at.span {
		at.first = next
		return
	}
	at.first = nil
	if k.empty++; 2*k.empty > len(k.marks) { // seldom enough to cost nothing for each entry
		k.marks = slices.DeleteFunc(k.marks, func(m mark) bool { return m.first == nil })
		k.empty = 0
	}
}

// index of the mark of a sequence, or of the one that follows it.
func (k *marks) index(seq uint64) int {
	return sort.Search(len(k.marks), func(i int) bool { return k.marks[i].span >= seq/markSpan })
}

// after returns the oldest entry that is newer than a position; nil is none.
func (k *marks) after(seq uint64) *Entry {
	for i := k.index(seq); i < len(k.marks); i++ {
		e := k.marks[i].first
		for e != nil && e.Seq <= seq {
			e = e.global.newer
		}
		if e != nil {
			return e
		}
	}
	return nil
}
