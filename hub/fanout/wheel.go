package fanout

// slots is the wheel's size: with a tick of 100 ms one turn takes 51 s, so that a heartbeat of the default 15 s is passed over
// by no turn.
const slots = 512

// wheel keeps one due time for each reader, exact to a tick. Its cost is the same for a thousand readers and a million.
type wheel struct {
	now   int64 // the last tick that was served
	slots [slots][]*reader
}

// place is where a reader stands in its wheel; the zero place is nowhere.
type place struct {
	tick int64
	pos  int32
}

// put moves a reader to a due time; one that has passed is due at the next tick.
func (w *wheel) put(r *reader, due instant) {
	at := max(w.now+1, int64((due+tick-1)/tick))
	if at == r.place.tick {
		return
	}
	w.take(r)
	slot := &w.slots[at%slots]
	r.place = place{tick: at, pos: int32(len(*slot))}
	*slot = append(*slot, r)
}

// take removes a reader, if it is there.
func (w *wheel) take(r *reader) {
	if r.place.tick == 0 {
		return
	}
	at := &w.slots[r.place.tick%slots]
	slot := *at
	last := slot[len(slot)-1]
	slot[r.place.pos], last.place.pos = last, r.place.pos
	slot[len(slot)-1] = nil
	*at = fitted(slot[:len(slot)-1])
	r.place = place{}
}

// advance takes every reader that is due by now off the wheel and calls f with it. f may put it back.
func (w *wheel) advance(now instant, f func(*reader)) {
	until := int64(now / tick)
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

// fitted gives back the room of a slot that many readers have left: they move through all slots together when they are written to
// together.
func fitted(slot []*reader) []*reader {
	const small = 64
	if cap(slot) <= small || len(slot) > cap(slot)/4 {
		return slot
	}
	return append(make([]*reader, 0, cap(slot)/2), slot...)
}
