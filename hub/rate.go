package hub

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxBuckets bounds the memory of rates, some 200 bytes for each publisher; a stream has few that send at the same time.
const maxBuckets = 4096

// rates bounds how many events each publisher sends. It belongs to the hub, so that a reload gives nobody a fresh start.
type rates struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// allow says whether a publisher may send n events now, at a rate of events a second; a rate of 0 is no limit. If not, wait is
// when to try again, and nothing is counted.
//
// A publisher may send what a second gives at once after a rest. A batch larger than that is taken whole when a full second's
// worth is there, and the publisher then waits until the rest of it has been made up for: the rate holds in the long run.
func (r *rates) allow(publisher string, n, perSecond int) (wait time.Duration, ok bool) {
	return r.allowAt(time.Now(), publisher, n, perSecond)
}

func (r *rates) allowAt(now time.Time, publisher string, n, perSecond int) (wait time.Duration, ok bool) {
	if perSecond == 0 || n == 0 {
		return 0, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	bucket := r.bucket(now, publisher, perSecond)
	first := bucket.ReserveN(now, min(n, perSecond))
	if wait := first.DelayFrom(now); wait > 0 {
		first.CancelAt(now)
		return wait, false
	}
	for n -= perSecond; n > 0; n -= perSecond {
		bucket.ReserveN(now, min(n, perSecond)) // owed
	}
	return 0, true
}

// bucket returns a publisher's own. Which one is forgotten when there are too many does not matter much: at worst, its publisher
// sends another second's worth.
func (r *rates) bucket(now time.Time, publisher string, perSecond int) *rate.Limiter {
	if known := r.buckets[publisher]; known != nil {
		if known.Burst() != perSecond { // since a reload
			known.SetLimitAt(now, rate.Limit(perSecond))
			known.SetBurstAt(now, perSecond)
		}
		return known
	}
	if r.buckets == nil {
		r.buckets = map[string]*rate.Limiter{}
	}
	if len(r.buckets) >= maxBuckets {
		r.forget(now)
	}
	fresh := rate.NewLimiter(rate.Limit(perSecond), perSecond)
	r.buckets[publisher] = fresh
	return fresh
}

// forget makes room: by those that are full, which are as good as new, or else by any one.
func (r *rates) forget(now time.Time) {
	last := ""
	for publisher, bucket := range r.buckets {
		last = publisher
		if bucket.TokensAt(now) >= float64(bucket.Burst()) {
			delete(r.buckets, publisher)
		}
	}
	if len(r.buckets) >= maxBuckets {
		delete(r.buckets, last)
	}
}
