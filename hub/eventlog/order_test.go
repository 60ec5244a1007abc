package eventlog

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestOrderFindsWhatIsLeft holds the order of entries against a plain list, from which they leave anywhere.
func TestOrderFindsWhatIsLeft(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 6))
		var o order
		var left []*Entry
		older := r.IntN(3) > 0 // the oldest leave first
		for seq := uint64(1); seq < 8*spanSize; seq++ {
			e := &Entry{Seq: seq, stored: int64(seq)}
			o.push(e, seq-1)
			left = append(left, e)
			for len(left) > 0 && (r.IntN(3) == 0 || len(left) > 2*spanSize) {
				i := 0
				if !older {
					i = r.IntN(len(left))
				}
				o.remove(left[i])
				left = slices.Delete(left, i, i+1)
			}
			if r.IntN(8) == 0 {
				checkOrder(t, &o, left, r.Uint64N(seq+2), older)
			}
		}
		for _, e := range left {
			o.remove(e)
		}
		if o.count != 0 || o.oldest() != nil || len(o.spans) > 2 {
			t.Errorf("%d entries and %d spans are left of none", o.count, len(o.spans))
		}
	}
}

func checkOrder(t *testing.T, o *order, left []*Entry, after uint64, older bool) {
	t.Helper()
	i, found := slices.BinarySearchFunc(left, after, func(e *Entry, seq uint64) int { return int(e.Seq) - int(seq) })
	before := uint64(0)
	if i > 0 {
		before = left[i-1].Seq
	}
	if got := o.before(int64(after)); got != before {
		t.Fatalf("before %d: %d, want %d", after, got, before)
	}
	if found {
		i++
	}
	at := o.after(after)
	for _, want := range left[i:min(len(left), i+100)] {
		if got := at.next(); got != want {
			t.Fatalf("after %d: %+v, want %+v", after, got, want)
		}
	}
	if i == len(left) && at.next() != nil {
		t.Fatalf("after %d: there is more", after)
	}
	if len(left) > 0 && o.oldest() != left[0] || o.count != len(left) {
		t.Fatalf("%d entries from %+v, want %d from %+v", o.count, o.oldest(), len(left), left[0])
	}
	if drops := o.dropsAt(after); drops > after || after-drops > spanSize && len(left) > 0 && left[0].Seq <= after && older {
		t.Fatalf("%d drops at %d", drops, after)
	}
	slots := 0
	for i, s := range o.spans {
		if slots += len(s.entries); slots == 0 && i < o.front != (i < len(o.spans)-1) {
			t.Fatalf("span %d of %d is empty, and the front is %d", i, len(o.spans), o.front)
		}
	}
	if slots > 2*len(left)+spanSize || len(o.spans) > 2*len(left)+2 {
		t.Fatalf("%d slots in %d spans for %d entries", slots, len(o.spans), len(left))
	}
}
