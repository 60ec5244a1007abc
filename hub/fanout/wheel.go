package fanout

import "time"

// slots is the wheel's size: with a tick of 100 ms one turn takes 51 s, so that a heartbeat of the default 15 s is passed over
// by no turn.
const slots = 512

// wheel keeps one due time for each reader, exact to a tick. Its cost is the same for a thousand readers and a million.
type wheel struct {
	start time.Time
	now   int64 // the last tick that was served
	slots [slots][]*reader
}

// place is where a reader stands in its wheel; the zero place is nowhere.
type place struct {
	tick int64
	slot int
	pos  int
	on   bool
}

func newWheel(start time.Time) wheel { return wheel{start: start} }

// put moves a reader to a due time; one that has passed is due at the next tick.
func (w *wheel) put(r *reader, due time.Time) {
	w.take(r)
	at := max(w.now+1, int64((due.Sub(w.start)+tick-1)/tick))
	slot := int(at % slots)
	r.place = place{tick: at, slot: slot, pos: len(w.slots[slot]), on: true}
	w.slots[slot] = append(w.slots[slot], r)
}

// take removes a reader, if it is there.
func (w *wheel) take(r *reader) {
	if !r.place.on {
		return
	}
	slot := w.slots[r.place.slot]
	last := slot[len(slot)-1]
	slot[r.place.pos], last.place.pos = last, r.place.pos
	slot[len(slot)-1] = nil
	w.slots[r.place.slot] = slot[:len(slot)-1]
	r.place = place{}
}

// advance takes every reader that is due by now off the wheel and calls f with it. f may put it back.
func (w *wheel) advance(now time.Time, f func(*reader)) {
	until := int64(now.Sub(w.start) / tick)
	for w.now < until {
		w.now++
		var due []*reader
		for _, r := range w.slots[w.now%slots] {
			if r.place.tick <= w.now {
				due = append(due, r)
			}
		}
		for _, r := range due {
			w.take(r)
			f(r)
		}
	}
}
