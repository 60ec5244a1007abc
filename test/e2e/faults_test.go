package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// shownFaults is how many faults of a kind are told in full.
	shownFaults = 5
	// glance is the time between two looks of this process at itself.
	glance = 25 * time.Millisecond
)

// faults gathers what must not happen, with the time and with what was being done then.
type faults struct {
	mu     sync.Mutex
	phase  string
	counts map[string]int
	told   []string
}

// during says what is being done from now on.
func (f *faults) during(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.phase = time.Now().Format("15:04:05.000 ") + fmt.Sprintf(format, args...)
}

func (f *faults) add(what, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts == nil {
		f.counts = map[string]int{}
	}
	if f.counts[what]++; f.counts[what] <= shownFaults {
		f.told = append(f.told, fmt.Sprintf("%s %s: %s (since %s)", time.Now().Format("15:04:05.000"), what, fmt.Sprintf(format, args...), f.phase))
	}
}

// all are the kinds of faults with their counts, and the first of each kind; empty if there is none.
func (f *faults) all() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.counts) == 0 {
		return ""
	}
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(f.counts)) {
		lines = append(lines, fmt.Sprintf("%d times: %s", f.counts[what], what))
	}
	return strings.Join(append(lines, f.told...), "\n")
}

// moments are the times of something that happens often.
type moments struct {
	mu sync.Mutex
	at []time.Time
}

func (m *moments) note() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = append(m.at, time.Now())
}

// since are those from a time on, in order.
func (m *moments) since(t time.Time) []time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, _ := slices.BinarySearchFunc(m.at, t, time.Time.Compare)
	return slices.Clone(m.at[i:])
}

// most is the largest number of moments, which are in order, that fall into a window, wherever it is laid; and when that begins.
func most(at []time.Time, window time.Duration) (n int, from time.Time) {
	first := 0
	for i, t := range at {
		for t.Sub(at[first]) >= window {
			first++
		}
		if i-first+1 > n {
			n, from = i-first+1, at[first]
		}
	}
	return n, from
}

// standstill measures until it is stopped for how long at most this process did not get to run, which delays all of its pages; stop
// returns it. It is told with the figures: by it, one knows a machine that is too busy from a hub that is not even.
func standstill() (stop func() time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	longest := make(chan time.Duration, 1)
	go func() {
		most := time.Duration(0)
		for ctx.Err() == nil {
			due := time.Now().Add(glance)
			until(ctx, due)
			most = max(most, time.Since(due))
		}
		longest <- most
	}()
	return sync.OnceValue(func() time.Duration {
		cancel()
		return <-longest
	})
}
