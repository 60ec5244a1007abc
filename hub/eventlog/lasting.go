package eventlog

import (
	"slices"
	"sort"
	"time"
)

// briefOverhead is what an event that is not worth it for ever costs besides, where each is worth it longer than those after it.
const briefOverhead = 16

// lasting tells whether any of a topic's events after a position is still worth it, without a look at each: there may be very many
// that are stale.
type lasting struct {
	// forever is the sequence of the newest event with no time to live. It may have left the topic.
	forever uint64
	// brief are the events with one that came after it, oldest first, but for those that a newer one outlives.
	brief []*Entry
}

// push adds a topic's newest event.
func (l *lasting) push(e *Entry) {
	if e.until == 0 {
		*l = lasting{forever: e.Seq}
		return
	}
	kept := len(l.brief)
	for kept > 0 && l.brief[kept-1].until <= e.until {
		kept--
	}
	l.brief = append(slices.Delete(l.brief, kept, len(l.brief)), e)
}

// pop takes out a topic's oldest event.
func (l *lasting) pop(e *Entry) {
	switch {
	case len(l.brief) == 0 || l.brief[0] != e:
	case len(l.brief) == 1:
		l.brief = nil
	default:
		l.brief[0] = nil
		l.brief = l.brief[1:]
	}
}

// newest is the sequence of the newest event that is still worth it; 0 is none. It may be one that has left.
func (l *lasting) newest(now time.Time) uint64 {
	if fresh := sort.Search(len(l.brief), func(i int) bool { return l.brief[i].Stale(now) }); fresh > 0 {
		return l.brief[fresh-1].Seq
	}
	return l.forever
}
