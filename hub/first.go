package hub

import (
	"context"
	"errors"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/peer"
)

// firstLookup bounds the one question of a first hub to the name server, which answers within milliseconds or is not there.
const firstLookup = 500 * time.Millisecond

// named takes up which hub of the stream is the first by a configuration. Only a hub that starts minds.
func (p *peers) named(c *config.Peers) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.first
	p.first = c != nil && c.First != "" && c.First == p.uid
	if p.first && !before && p.hurry != nil {
		p.hurry()
	}
}

// isFirst reports whether the configuration says that this hub is the first.
func (p *peers) isFirst() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first
}

// survey looks for the other hubs once, and reports whether this one is the first and nobody has answered it. A hub that learns
// meanwhile that it is the first looks again, for a short time. It returns early when ctx is done.
func (p *peers) survey(ctx context.Context) (seen look, first bool) {
	for {
		looking, cancel := context.WithCancel(ctx)
		p.mu.Lock()
		first, p.hurry = p.first, cancel
		p.mu.Unlock()
		patience := time.Duration(0)
		if first {
			patience = firstLookup
		}
		seen = p.look(looking, patience)
		hurried := looking.Err() != nil
		cancel()
		if !hurried || ctx.Err() != nil {
			return seen, first && !seen.answered()
		}
	}
}

// answered reports whether any peer answered, be it with a refusal.
func (l look) answered() bool {
	for _, s := range l.peers {
		var refusal *peer.Refusal
		if s.err == nil || errors.As(s.err, &refusal) {
			return true
		}
	}
	return false
}

// yield makes a hub that began as the first one give way to any other that leads, until the hub is listed itself: from then on, those that
// start find it. It looks for as long as the hub leads.
func (p *peers) yield(ctx context.Context, changed <-chan struct{}) {
	for wait := firstPause; ctx.Err() == nil && p.is(peer.Leading); wait = min(2*wait, lastPause) {
		seen := p.look(ctx, 0)
		if leader := seen.leader(); leader != nil && leader.Epoch != p.hub.log.Epoch() && ctx.Err() == nil {
			p.supersede(leader.Self)
			return
		}
		if seen.err == nil && seen.listed {
			p.unseen = false
			return
		}
		pause(ctx, wait, changed)
	}
}
