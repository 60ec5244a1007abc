package hub

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	type step struct {
		at        time.Duration
		publisher string
		n, rate   int
		wait      time.Duration // until n may be sent; 0 is now
	}
	for name, steps := range map[string][]step{
		"no limit":                     {{0, "a", 1 << 20, 0, 0}, {0, "a", 1 << 20, 0, 0}},
		"a second's worth at once":     {{0, "a", 5, 10, 0}, {0, "a", 5, 10, 0}, {0, "a", 1, 10, 100 * time.Millisecond}},
		"then as it comes":             {{0, "a", 10, 10, 0}, {100 * time.Millisecond, "a", 1, 10, 0}, {100 * time.Millisecond, "a", 1, 10, 100 * time.Millisecond}},
		"what is refused is free":      {{0, "a", 10, 10, 0}, {0, "a", 10, 10, time.Second}, {0, "a", 10, 10, time.Second}, {time.Second, "a", 10, 10, 0}},
		"each its own":                 {{0, "a", 10, 10, 0}, {0, "b", 10, 10, 0}, {0, "a", 1, 10, 100 * time.Millisecond}},
		"a rest gives no more":         {{0, "a", 10, 10, 0}, {time.Hour, "a", 10, 10, 0}, {time.Hour, "a", 1, 10, 100 * time.Millisecond}},
		"a large batch is owed":        {{0, "a", 35, 10, 0}, {0, "a", 1, 10, 2600 * time.Millisecond}, {2600 * time.Millisecond, "a", 1, 10, 0}},
		"and needs a full second":      {{0, "a", 5, 10, 0}, {0, "a", 35, 10, 500 * time.Millisecond}, {500 * time.Millisecond, "a", 35, 10, 0}},
		"nothing costs nothing":        {{0, "a", 10, 10, 0}, {0, "a", 0, 10, 0}},
		"a new rate holds at once":     {{0, "a", 10, 10, 0}, {0, "a", 1, 100, 10 * time.Millisecond}, {time.Second, "a", 100, 100, 0}},
		"a lower one, too":             {{0, "a", 1, 100, 0}, {0, "a", 10, 10, 0}, {0, "a", 1, 10, 100 * time.Millisecond}},
		"and so does its end":          {{0, "a", 10, 10, 0}, {0, "a", 10, 0, 0}},
		"one a second":                 {{0, "a", 1, 1, 0}, {0, "a", 1, 1, time.Second}, {time.Second, "a", 1, 1, 0}},
		"a clock that goes back waits": {{time.Minute, "a", 10, 10, 0}, {0, "a", 10, 10, time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			r, start := &rates{}, time.Now()
			for i, s := range steps {
				wait, ok := r.allowAt(start.Add(s.at), s.publisher, s.n, s.rate)
				if ok != (s.wait == 0) || (wait-s.wait).Abs() > time.Microsecond {
					t.Errorf("step %d: %v, wait %v, want %v", i, ok, wait, s.wait)
				}
			}
		})
	}
}

func TestRatesGoByTheClock(t *testing.T) {
	r := &rates{}
	if _, ok := r.allow("a", 1, 1); !ok {
		t.Error("the first is refused")
	}
	if wait, ok := r.allow("a", 1, 1); !ok && (wait <= 0 || wait > time.Second) {
		t.Errorf("the next waits %v", wait)
	}
}

func TestBucketsAreBounded(t *testing.T) {
	r, now := &rates{}, time.Now()
	for i := range maxBuckets + 100 {
		r.allowAt(now, fmt.Sprint("busy ", i), 10, 10)
	}
	if len(r.buckets) != maxBuckets {
		t.Errorf("%d buckets of busy publishers", len(r.buckets))
	}
	r.allowAt(now.Add(time.Second), "late", 10, 10)
	if len(r.buckets) != 1 {
		t.Errorf("%d buckets when all but one rest", len(r.buckets))
	}
}

func TestPublishersShareNothingButTheirOwnRate(t *testing.T) {
	r, now := &rates{}, time.Now()
	var work sync.WaitGroup
	var allowed [4]atomic.Int64
	for i := range 8 {
		work.Go(func() {
			for range 100 {
				if _, ok := r.allowAt(now, fmt.Sprint(i%4), 1, 50); ok {
					allowed[i%4].Add(1)
				}
			}
		})
	}
	work.Wait()
	for i := range allowed {
		if got := allowed[i].Load(); got != 50 {
			t.Errorf("publisher %d sent %d events, want 50", i, got)
		}
	}
}
