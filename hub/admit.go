package hub

import (
	"net/http"
	"sync"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/peer"
	"github.com/runnel-dev/runnel/hub/process"
)

// retryMargin is what a reader may take longer than it was told until it is back: as long as a phone is silent in a tunnel.
const retryMargin = 30 * time.Second

// turnedAway is why a reader is told to come back later, for metrics; empty is not at all.
type turnedAway string

const (
	forConnections turnedAway = "connections"
	forIdentity    turnedAway = "identity"
	forDraining    turnedAway = "draining"
	forKeys        turnedAway = "keys"
	forHandover    turnedAway = "handover"
)

// turnAway answers a reader that is not let in. What mends itself is said softly to who takes Server-Sent Events, since any status
// but 200 ends a browser's stream for good.
func (h *Hub) turnAway(w http.ResponseWriter, r *http.Request, q query, bad *problem) *problem {
	if bad.turnedAway == "" {
		return bad
	}
	front, byFront := w.(*direct)
	if byFront && bad.turnedAway == forKeys {
		return passOn // since net/http can wait for them
	}
	h.metrics.turnedAway.WithLabelValues(string(bad.turnedAway)).Inc()
	h.notices.turnedAway.add(string(bad.turnedAway), nil)
	h.turningAway.note(h.now(), h.backWithin())
	if q.asked.Format.Lines {
		return bad
	}
	h.metrics.tell(PortSubscribe, http.StatusOK, bad)
	h.header(w, r, q)
	if byFront {
		front.status = http.StatusOK
		_ = h.pool.Refuse(gathered{front}, q.asked.Quiet)
		return nil
	}
	sink := newSink(w, h.stall)
	defer sink.finish()
	_ = h.pool.Refuse(sink, q.asked.Quiet) // the client may be gone
	return nil
}

// backWithin is how long a reader that was turned away takes at most until it is back: fanout.Pool tells it up to twice the delay.
func (h *Hub) backWithin() time.Duration {
	return 2*h.state.Load().config.Reconnect.Delay.D() + retryMargin
}

// episode is a time in which readers are turned away again and again. A page that is turned away with its ticket comes back with no
// Last-Event-ID, and for longer than a ticket opens without one; a ticket that could be opened when the episode began opens as long
// as it lasts. Anybody may bring about an episode. There is little to gain by that: whoever has another's ticket may say himself
// that he comes back. The zero episode is none.
type episode struct {
	mu          sync.Mutex
	began, last time.Time
}

// note that a reader is turned away now. It is of the same episode as the one before if that could have come back in between.
func (e *episode) note(now time.Time, backWithin time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.last) > backWithin {
		e.began = now
	}
	e.last = now
}

// since is when the episode began, and zero when all who were turned away have had the time to come back.
func (e *episode) since(now time.Time, backWithin time.Duration) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.last) > backWithin {
		return time.Time{}
	}
	return e.began
}

// admit counts a connection, if it may come in now. An identity's own limit is for this hub alone: each replica has its own count.
func (h *Hub) admit(identity string) (bad *problem) {
	s := h.state.Load()
	limits := s.config.Limits
	n := h.taken.Add(1)
	switch {
	case h.draining.Load():
		bad = refuse(http.StatusServiceUnavailable, "draining", "the hub is about to stop: come back after the time in Retry-After")
		bad.turnedAway = forDraining
	case h.peers.is(peer.Superseded):
		bad = refuse(http.StatusServiceUnavailable, "superseded", "another hub has this stream now: come back after the time in Retry-After")
		bad.turnedAway = forHandover
	case s.connections > 0 && n > int64(s.connections):
		bad = refuse(http.StatusTooManyRequests, "too_many_connections", "the hub takes no more readers now: come back after the time in Retry-After")
		bad.turnedAway = forConnections
	case !h.identities.enter(identity, limits.ConnectionsPerIdentity):
		bad = refuse(http.StatusTooManyRequests, "too_many_connections", "you have %d connections, which is the most: close one, or come back after the time in Retry-After", limits.ConnectionsPerIdentity)
		bad.turnedAway = forIdentity
	default:
		return nil
	}
	h.taken.Add(-1)
	return bad.later(h.pool.Retry())
}

// use is what a configuration takes of the process.
func (h *Hub) use(c *config.Config) process.Use {
	return process.Use{Connections: c.Limits.ConnectionsPerHub, Retention: c.Retention.Bytes, Encrypted: h.certificate != nil || h.portable}
}

// GoMemory is what the Go runtime shall keep to with the configuration that runs, in bytes; 0 is any. Setting it is left to who owns the
// process.
func (h *Hub) GoMemory() int64 {
	s := h.state.Load()
	return h.process.GoMemory(h.use(s.config), s.connections)
}

// identities counts the connections of each identity. It outlives configurations, so that a new limit holds for those that are
// there. The zero identities is ready.
type identities struct {
	mu   sync.Mutex
	open map[string]int
}

// enter counts a connection if there is a place for it. Nobody's identity is not counted, and a limit of 0 is none.
func (i *identities) enter(identity string, limit int) bool {
	if identity == "" {
		return true
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if limit > 0 && i.open[identity] >= limit {
		return false
	}
	if i.open == nil {
		i.open = map[string]int{}
	}
	i.open[identity]++
	return true
}

func (i *identities) leave(identity string) {
	if identity == "" {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.open[identity]--; i.open[identity] == 0 {
		delete(i.open, identity)
	}
}
