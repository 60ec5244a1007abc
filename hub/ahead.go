package hub

import (
	"container/heap"
	"context"
	"net/http"
	"sync"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/peer"
)

// waitFor waits, a bounded time, until a hub that copies the stream from another has as much of it as a reader has seen there. To tell that
// reader that its cursor is unknown would be wrong.
func (h *Hub) waitFor(w http.ResponseWriter, r *http.Request, q query) *problem {
	id, ok := event.ParseID(q.start.Cursor)
	if !ok || h.peers == nil || !h.peers.behind(id) {
		return nil
	}
	if _, byFront := w.(*direct); byFront {
		return passOn
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.peers.times.Ahead)
	defer cancel()
	a := h.peers.arrivals.expect(id.Seq)
	defer h.peers.arrivals.withdraw(a)
	for {
		_, _, changed := h.peers.now()
		if !h.peers.behind(id) {
			return nil
		}
		select {
		case <-a.arrived:
		case <-changed:
		case <-ctx.Done():
			bad := refuse(http.StatusServiceUnavailable, "behind", "the events after your cursor have not come here yet: come back after the time in Retry-After").later(h.pool.Retry())
			bad.turnedAway = forHandover
			return bad
		}
	}
}

// behind reports whether the hub copies an epoch and has not come to an id of it.
func (p *peers) behind(id event.ID) bool {
	head := p.hub.log.Head()
	return id.Epoch == head.Epoch && id.Seq > head.Seq && p.is(peer.Following)
}

// arrivals are the sequences that subscribers wait for. After a hand-over there may be thousands of them, so each is woken once, by the
// event that it waits for, and neither the log nor the other ones are touched for it. The zero arrivals is ready.
type arrivals struct {
	mu    sync.Mutex
	queue arrivalQueue
}

// arrival is one subscriber's wait.
type arrival struct {
	seq     uint64
	arrived chan struct{} // is closed when the log has come to seq
	place   int           // in the queue; -1 is none any more
}

// expect adds a wait, which its caller withdraws. A log that has come to the sequence before tells nobody: look at it afterwards.
func (a *arrivals) expect(seq uint64) *arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := &arrival{seq: seq, arrived: make(chan struct{})}
	heap.Push(&a.queue, one)
	return one
}

// withdraw ends a wait, whether it is over or not.
func (a *arrivals) withdraw(one *arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if one.place >= 0 {
		heap.Remove(&a.queue, one.place)
	}
}

// reached wakes the subscribers that wait for the head of a log, or for an event before it.
func (a *arrivals) reached(head uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.queue) > 0 && a.queue[0].seq <= head {
		close(heap.Pop(&a.queue).(*arrival).arrived)
	}
}

// arrivalQueue implements heap.Interface. The lowest sequence is the first.
type arrivalQueue []*arrival

func (q arrivalQueue) Len() int           { return len(q) }
func (q arrivalQueue) Less(i, j int) bool { return q[i].seq < q[j].seq }

func (q arrivalQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements heap.Interface.
func (q *arrivalQueue) Push(one any) {
	a := one.(*arrival)
	a.place = len(*q)
	*q = append(*q, a)
}

// Pop implements heap.Interface.
func (q *arrivalQueue) Pop() any {
	last := len(*q) - 1
	a := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	a.place = -1
	return a
}
