package fanout

import (
	"math/rand/v2"
	"testing"
)

func TestWheel(t *testing.T) {
	w := &wheel{}
	r := rand.New(rand.NewPCG(5, 6))
	due := map[*reader]instant{}
	for range 1000 {
		at := instant(r.Int64N(int64(3 * slots * tick)))
		x := &reader{}
		due[x] = at
		w.put(x, at)
	}
	for now := instant(0); len(due) > 0 && now < 4*slots*tick; now += instant(1 + r.Int64N(int64(5*tick))) {
		w.advance(now, func(x *reader) {
			if now < due[x] {
				t.Fatalf("%v early", due[x]-now)
			}
			delete(due, x)
		})
		for _, at := range due {
			if now-at >= tick {
				t.Fatalf("%v late", now-at)
			}
		}
	}
	if len(due) > 0 {
		t.Errorf("%d were never due", len(due))
	}
}

func TestTheWheelKeepsNoRoomForACrowdThatMovedOn(t *testing.T) {
	const readers = 10_000
	w := &wheel{}
	for range readers {
		w.put(&reader{}, tick)
	}
	for now := tick; now <= 2*slots*tick; now += tick { // they are due together, at each tick
		w.advance(now, func(r *reader) { w.put(r, now+tick) })
	}
	room := 0
	for _, slot := range w.slots {
		room += cap(slot)
	}
	if most := 4*readers + slots*64; room > most {
		t.Errorf("room for %d readers, want at most %d for %d", room, most, readers)
	}
}
