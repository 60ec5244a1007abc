package hub_test

import (
	"math/rand/v2"
	"sync"
)

// front is the hubs to which publishers and subscribers are sent, as a Service does.
type front struct {
	mu    sync.Mutex
	ready []*pod
	sent  map[*pod]int // the number of requests without an answer
}

func (f *front) set(ready ...*pod) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = ready
}

// pick returns a hub to send a request to. The caller calls answered when the request has its answer.
func (f *front) pick() (p *pod, answered func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p = f.ready[rand.IntN(len(f.ready))]
	if f.sent == nil {
		f.sent = map[*pod]int{}
	}
	f.sent[p]++
	return p, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.sent[p]--
	}
}

// answered reports whether all requests that were sent to a hub have their answers.
func (f *front) answered(p *pod) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent[p] == 0
}
