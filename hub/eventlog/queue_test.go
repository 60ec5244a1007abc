package eventlog

import (
	"math/rand/v2"
	"testing"
)

func TestQueueKeepsTheOrderAndNoMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var q queue[int]
	pushed, popped := 0, 0
	for range 100 {
		for range r.IntN(500) {
			q.push(pushed)
			pushed++
		}
		for range min(q.count, r.IntN(500)) {
			if x := q.pop(); x != popped {
				t.Fatalf("%d came out, want %d", x, popped)
			}
			popped++
		}
		if q.count != pushed-popped || len(q.slots) > max(1, 4*q.count) {
			t.Fatalf("%d of %d, in %d slots", q.count, pushed-popped, len(q.slots))
		}
		if q.count > 0 && (q.oldest() != popped || q.newest() != pushed-1 || q.at(q.count/2) != popped+q.count/2) {
			t.Fatalf("from %d to %d", q.oldest(), q.newest())
		}
	}
	for q.count > 0 {
		q.pop()
	}
	if q.slots != nil {
		t.Errorf("%d slots for nothing", len(q.slots))
	}
}
