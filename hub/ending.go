package hub

import (
	"context"
	"fmt"
	"time"

	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/peer"
)

// drainPoll is how soon after its last reader a draining hub ends.
const drainPoll = 20 * time.Millisecond

// serve waits for the end of a hub that serves: that somebody wants it, that a server fails, or that other hubs of the stream leave it no
// place. It returns when its readers are gone.
func (h *Hub) serve(ctx context.Context, failed <-chan error) error {
	s := h.state.Load()
	h.logger.Info("serving", "namespace", s.config.Stream.Namespace, "stream", s.config.Stream.Name, "subscribe", h.Addrs().Subscribe,
		"publish", h.Addrs().Publish, "admin", h.Addrs().Admin, "epoch", h.log.Epoch(), "config", s.hash)
	select {
	case <-ctx.Done():
		began := time.Now()
		h.handOver()
		h.drain(began)
		return nil
	case err := <-failed:
		return fmt.Errorf("a server stopped: %w", err)
	case err := <-h.peers.end():
		h.logger.Error("the hub ends, since it has no place among the stream's others", "error", err)
		h.leaving.Store(true)
		began := time.Now()
		h.drain(began)
		pause(ctx, time.Until(began.Add(h.peers.times.Endpoints)), nil)
		return err
	}
}

// end is sent to when peers leave the hub no place.
func (p *peers) end() <-chan error {
	if p == nil {
		return nil
	}
	return p.lost
}

// handOver waits for a hub that takes over from one that shall end, and until nobody is sent here any more. Meanwhile all is as ever. A
// hub without peers has nobody to wait for, and one that nobody has used has nothing to hand over.
func (h *Hub) handOver() {
	p := h.peers
	if p == nil {
		return
	}
	p.mu.Lock()
	p.stopping = true
	p.mu.Unlock()
	if h.abandon() {
		h.logger.Info("nothing was ever stored here and nobody subscribes: the hub waits for no other")
		return
	}
	successor := p.times.Successor
	if reason := p.withheld(); reason != "" {
		successor = 0
		h.logger.Warn("no hub can take over from this one", "reason", reason)
	} else if p.is(peer.Leading) {
		h.logger.Info("waiting for a hub that takes over", "within", successor.String())
	}
	waiting, cancel := context.WithTimeout(context.Background(), successor)
	defer cancel()
	for waiting.Err() == nil {
		role, _, changed := p.now()
		if role != peer.Leading {
			break
		}
		if !p.offer(waiting) {
			pause(waiting, p.times.Insist, changed)
		}
	}
	if p.is(peer.Leading) {
		h.logger.Warn("no hub took over: readers are told reset by the next one", "waited", successor.String())
	}
	h.leaving.Store(true)
	leaving, cancel := context.WithTimeout(context.Background(), p.times.Endpoints)
	defer cancel()
	select {
	case <-leaving.Done():
	case err := <-p.lost:
		h.logger.Error("the hub ends at once, since it has no place among the stream's others", "error", err)
	}
}

// abandon ends the right to append of a hub that leads, and that has neither history nor subscribers, and reports whether it did. What is
// published from then on is refused, so nothing is lost with the hub.
//
// A hub whose events are all too old has a history: the sequence that cursors go by, and the ids that publishers used.
func (h *Hub) abandon() bool {
	p := h.peers
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.role != peer.Leading || h.taken.Load() > 0 || h.log.Position() != (eventlog.Position{}) {
		return false
	}
	if end := h.log.Seal(); end != (eventlog.Position{}) { // something was stored just now
		_ = h.log.Unseal(end) // the log itself ends there
		return false
	}
	h.leaving.Store(true)
	h.endForwards()
	return true
}

// withheld says why no other hub can ask this one for anything, or nothing. To wait for one would be to append beside it.
func (p *peers) withheld() string {
	credentials := p.Credentials()
	if credentials == nil {
		return "it has no peers or no token to show them"
	}
	if known := p.hub.state.Load().peers; known != nil && !known.Ready() {
		return "it has no keys to verify others' tokens by"
	}
	if _, err := credentials.Token(); err != nil {
		return err.Error()
	}
	return ""
}

// offer gives the right to append back to a hub that copies this one's log and is not about to end itself. It says whether one takes it.
func (p *peers) offer(ctx context.Context) bool {
	p.mu.Lock()
	var copiers []peer.Peer
	for c := range p.copiers {
		copiers = append(copiers, c)
	}
	p.mu.Unlock()
	for _, c := range copiers {
		asking, cancel := context.WithTimeout(ctx, p.times.Answer*takeAttempts)
		err := p.client.Offer(asking, c.Address, peer.Offer{Epoch: p.hub.log.Epoch(), By: p.self})
		cancel()
		if err == nil {
			return true
		}
		p.hub.logger.Info("a hub does not take over", "peer", c.Address, "reason", err)
	}
	return false
}

// drain closes all readers over the window. One whose connection is stuck is left to shutdown. The hub began to end at a time, and all of it
// must be over within the grace period: a window that is too long for that, since it was changed while the hub ran, is shortened.
func (h *Hub) drain(began time.Time) {
	window := h.state.Load().config.Drain.Window.D()
	if h.grace > 0 {
		window = min(window, max(0, time.Until(began.Add(h.grace))-h.stall-2*h.last))
	}
	h.leaving.Store(true)
	h.draining.Store(true)
	h.logger.Info("draining", "readers", h.pool.Readers(), "window", window.String())
	h.pool.Drain(window)
	ticker := time.NewTicker(drainPoll)
	defer ticker.Stop()
	for end := time.Now().Add(window + h.stall); h.taken.Load() > 0 && time.Now().Before(end); {
		<-ticker.C
	}
}
