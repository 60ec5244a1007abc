package load

import (
	"math/bits"
	"time"
)

const (
	// stepBits makes 2^stepBits steps of each power of two: a value is known to 1/128 of itself.
	stepBits = 6
	steps    = 1 << stepBits
	// powers of two that have steps of their own: up to 2^(powers+stepBits+1) ns, more than two hours.
	powers  = 36
	buckets = (powers + 2) * steps
)

// Histogram counts durations in steps that are linear within each power of two. It takes a fixed 19 KB. The zero value is empty.
type Histogram struct {
	counts [buckets]uint64
	n      uint64
	max    time.Duration
}

// Add counts a duration; a negative one counts as zero.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))]++
	h.n++
	h.max = max(h.max, d)
}

// N is how many durations were counted.
func (h *Histogram) N() int { return int(h.n) }

// Max is the longest of them, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns the duration that a share q of all, from 0 to 1, does not exceed, to 1/128 of itself; zero if there is none.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := max(uint64(q*float64(h.n)+0.5), 1)
	var seen uint64
	for i, c := range h.counts {
		if seen += c; seen >= rank {
			return min(middle(i), h.max)
		}
	}
	return h.max
}

// bucket of a value: below 2*steps each value has its own.
func bucket(v uint64) int {
	power := max(bits.Len64(v)-stepBits-1, 0)
	return min(power*steps+int(v>>power), buckets-1)
}

// middle of the values of a bucket.
func middle(i int) time.Duration {
	power := max(i/steps-1, 0)
	low := uint64(i-power*steps) << power
	return time.Duration(low + (uint64(1)<<power)/2)
}
