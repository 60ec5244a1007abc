package manager

import (
	"math"
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// Histogram is a native histogram: counts in buckets whose bounds grow by a constant factor. Those of the operator's queue
// grow by 1.1 to 1.4, where its classic buckets grow by ten.
type Histogram struct {
	schema int32
	// zero counts what is at most threshold.
	threshold float64
	zero      uint64
	// counts by index: a bucket's upper bound is the schema's factor to the power of its index.
	counts map[int32]uint64
}

func native(h *dto.Histogram) Histogram {
	out := Histogram{schema: h.GetSchema(), threshold: h.GetZeroThreshold(), zero: h.GetZeroCount(), counts: map[int32]uint64{}}
	index, count, delta := int32(0), int64(0), h.GetPositiveDelta()
	for _, span := range h.GetPositiveSpan() {
		index += span.GetOffset()
		for range span.GetLength() {
			count, delta = count+delta[0], delta[1:]
			out.counts[index] = uint64(count)
			index++
		}
	}
	return out
}

// upper bound of a bucket.
func (h Histogram) upper(index int32) float64 {
	return math.Exp2(float64(index) * math.Exp2(-float64(h.schema)))
}

// upTo counts what is at most the bound, which is one of a bucket of this histogram or of a coarser one.
func (h Histogram) upTo(bound float64) (n uint64) {
	const rounding = 1e-9
	if h.threshold <= bound*(1+rounding) {
		n = h.zero
	}
	for index, c := range h.counts {
		if h.upper(index) <= bound*(1+rounding) {
			n += c
		}
	}
	return n
}

// Count is how many were counted.
func (h Histogram) Count() uint64 { return h.upTo(math.Inf(1)) }

// QuantileSince returns a bound that a share q, from 0 to 1, of what was counted after before does not exceed: the upper bound
// of its bucket. Zero if nothing was. A histogram becomes coarser in time, never finer, so its own bounds are also before's.
func (h Histogram) QuantileSince(before Histogram, q float64) float64 {
	bounds := []float64{h.threshold}
	for index := range h.counts {
		bounds = append(bounds, h.upper(index))
	}
	slices.Sort(bounds)
	total := h.Count() - before.Count()
	if total == 0 {
		return 0
	}
	rank := uint64(math.Ceil(q * float64(total)))
	for _, b := range bounds {
		if h.upTo(b)-min(before.upTo(b), h.upTo(b)) >= rank {
			return b
		}
	}
	return bounds[len(bounds)-1]
}
