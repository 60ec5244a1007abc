package fanout

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestWheel(t *testing.T) {
	start := time.Now()
	w := newWheel(start)
	r := rand.New(rand.NewPCG(5, 6))
	due := map[*reader]time.Time{}
	for range 1000 {
		at := start.Add(time.Duration(r.Int64N(int64(3 * slots * tick))))
		x := &reader{}
		due[x] = at
		w.put(x, at)
	}
	for now := start; len(due) > 0 && now.Before(start.Add(4*slots*tick)); now = now.Add(time.Duration(1 + r.Int64N(int64(5*tick)))) {
		w.advance(now, func(x *reader) {
			if now.Before(due[x]) {
				t.Fatalf("%v early", due[x].Sub(now))
			}
			delete(due, x)
		})
		for _, at := range due {
			if now.Sub(at) >= tick {
				t.Fatalf("%v late", now.Sub(at))
			}
		}
	}
	if len(due) > 0 {
		t.Errorf("%d were never due", len(due))
	}
}
