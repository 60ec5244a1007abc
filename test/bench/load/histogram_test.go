package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreWithinAStepOfTheTrueOnes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	var all []time.Duration
	for range 50_000 {
		d := time.Duration(1) << random.IntN(38)
		d += time.Duration(random.Int64N(int64(d)))
		h.Add(d)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []float64{0.5, 0.9, 0.99, 0.999} {
		want := all[int(q*float64(len(all))+0.5)-1]
		if got := h.Quantile(q); got < want-want/64 || got > want+want/64 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if last := all[len(all)-1]; h.Max() != last || h.Quantile(1) > last || h.N() != len(all) {
		t.Errorf("max %v, quantile 1 %v of %d, want %v", h.Max(), h.Quantile(1), h.N(), last)
	}
}

func TestASmallDurationHasItsOwnBucket(t *testing.T) {
	for d := range time.Duration(2 * steps) {
		var h Histogram
		h.Add(d)
		h.Add(time.Hour)
		if got := h.Quantile(0.5); got != d {
			t.Errorf("%v is counted as %v", d, got)
		}
	}
	var h Histogram
	h.Add(-1)
	h.Add(1 << 62)
	if h.Quantile(0.5) != 0 || h.Max() != 1<<62 || (&Histogram{}).Quantile(0.5) != 0 {
		t.Errorf("bounds: %v %v", h.Quantile(0.5), h.Max())
	}
}
