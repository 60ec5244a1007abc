package e2e_test

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// glance is the time between two looks of this process at itself.
	glance = 25 * time.Millisecond
	// leastPause is the shortest pause that is noted.
	leastPause = 50 * time.Millisecond
	// aftermath is how long after a pause its backlog shows: pages wait up to a second before they connect again.
	aftermath = 2 * time.Second
)

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

// since returns those from a time on, in order.
func (m *moments) since(t time.Time) []time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, _ := slices.BinarySearchFunc(m.at, t, time.Time.Compare)
	return slices.Clone(m.at[i:])
}

// window is a time in which connections were counted.
type window struct {
	from time.Time
	n    int
	// factor is n divided by what an even rate brings in that time.
	factor float64
}

// stormiest returns the window of a length with the largest factor, wherever it is laid. At are the moments of all connections, in order;
// even is the number of them that are due in a second. While this process gets no processor, what is due adds up: the longest pause within
// a window, or shortly before it, counts as a part of its length.
func stormiest(at []time.Time, length time.Duration, even float64, paused *pauses) (most window) {
	first := 0
	for i, t := range at {
		for t.Sub(at[first]) >= length {
			first++
		}
		w := window{from: at[first], n: i - first + 1}
		due := length + paused.longest(w.from.Add(-aftermath), t)
		if w.factor = float64(w.n) / (even * due.Seconds()); w.factor > most.factor {
			most = w
		}
	}
	return most
}

// pauses are the times in which this process did not get a processor.
type pauses struct {
	mu  sync.Mutex
	all []pause // in order
}

type pause struct{ from, to time.Time }

// watch notes pauses until ctx is done.
func (p *pauses) watch(ctx context.Context) {
	for ctx.Err() == nil {
		due := time.Now().Add(glance)
		until(ctx, due)
		if now := time.Now(); now.Sub(due) >= leastPause {
			p.mu.Lock()
			p.all = append(p.all, pause{due, now})
			p.mu.Unlock()
		}
	}
}

// longest returns the length of the longest pause of which some part is between two times, and 0 if there is none.
func (p *pauses) longest(from, to time.Time) (d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.all) - 1; i >= 0 && p.all[i].to.After(from); i-- {
		if p.all[i].from.Before(to) {
			d = max(d, p.all[i].to.Sub(p.all[i].from))
		}
	}
	return d
}
