package churn

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/runnel-dev/runnel/test/bench/load"
)

// Want is a child with a mark of the change in it.
type Want struct {
	Kind, Name string
	// Mark is what the child shows of the change; empty is any.
	Mark string
}

// Tracker knows which changes have not come to the children yet. All its methods can be called by many at once.
type Tracker struct {
	mu      sync.Mutex
	pending map[types.NamespacedName]*pending
	streams map[types.NamespacedName]bool // whether the stream's status says ready for its newest spec

	applied, ready load.Histogram
}

// pending is a change that was begun.
type pending struct {
	wants    map[Want]bool
	answered time.Time
	seen     time.Time // of the last child
	// generation of the spec with the change; ready is when a status said so of it.
	generation int64
	ready      time.Time
	// early are statuses that were seen before the API server's answer was.
	early map[int64]time.Time
}

// NewTracker makes a tracker that knows no streams.
func NewTracker() *Tracker {
	return &Tracker{pending: map[types.NamespacedName]*pending{}, streams: map[types.NamespacedName]bool{}}
}

// Begin is told just before a change is sent. It says no when an earlier change of the stream is not finished.
func (t *Tracker) Begin(stream types.NamespacedName, wants []Want) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending[stream] != nil {
		return false
	}
	p := &pending{wants: map[Want]bool{}, early: map[int64]time.Time{}}
	for _, w := range wants {
		p.wants[w] = true
	}
	t.pending[stream] = p
	return true
}

// Answered is told when the API server has taken the change.
func (t *Tracker) Answered(stream types.NamespacedName, generation int64, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.pending[stream]; p != nil {
		p.answered, p.generation, p.ready = at, generation, p.early[generation]
		t.finish(stream, p)
	}
}

// Drop forgets a change that the API server did not take, and a stream that was deleted.
func (t *Tracker) Drop(stream types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pending, stream)
}

// Seen is told of each child as it is now, with all its marks.
func (t *Tracker) Seen(stream types.NamespacedName, child Want, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.pending[stream]
	if p == nil {
		return
	}
	before := len(p.wants)
	delete(p.wants, child)
	delete(p.wants, Want{Kind: child.Kind, Name: child.Name})
	if len(p.wants) < before {
		p.seen = at
		t.finish(stream, p)
	}
}

// Status is told of each stream as it is now.
func (t *Tracker) Status(stream types.NamespacedName, generation int64, ready bool, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.streams[stream] = ready
	p := t.pending[stream]
	switch {
	case p == nil || !ready:
	case p.answered.IsZero():
		if _, known := p.early[generation]; !known {
			p.early[generation] = at
		}
	case generation >= p.generation && p.ready.IsZero():
		p.ready = at
		t.finish(stream, p)
	}
}

// Deleted is told of a stream that is no more.
func (t *Tracker) Deleted(stream types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.streams, stream)
	delete(t.pending, stream)
}

func (t *Tracker) finish(stream types.NamespacedName, p *pending) {
	if p.answered.IsZero() || len(p.wants) > 0 || p.ready.IsZero() {
		return
	}
	// A watch may be faster than the answer.
	t.applied.Add(p.seen.Sub(p.answered))
	t.ready.Add(p.ready.Sub(p.answered))
	delete(t.pending, stream)
}

// Unfinished counts changes that have not come to all children, or whose stream is not ready.
func (t *Tracker) Unfinished() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.pending)
}

// Streams counts all streams, and those that are ready.
func (t *Tracker) Streams() (all, ready int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.streams {
		if r {
			ready++
		}
	}
	return len(t.streams), ready
}

// Times returns from the API server's answer to the last child, and to the status that says ready, and begins to count anew.
func (t *Tracker) Times() (applied, ready load.Histogram) {
	t.mu.Lock()
	defer t.mu.Unlock()
	applied, ready = t.applied, t.ready
	t.applied, t.ready = load.Histogram{}, load.Histogram{}
	return applied, ready
}
