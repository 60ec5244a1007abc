package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/runnel-dev/runnel/hub/peer"
)

// start makes a starting hub a leading one: by taking over from who leads, or by beginning an epoch where nobody does or who does cannot
// be taken over from. It fails only with the context.
func (p *peers) start(ctx context.Context) error {
	if reason := p.unable(); reason != "" {
		o := Handover{Result: resultMissed, Reason: reason}
		if p.isFirst() {
			o = Handover{Result: resultFirst}
		}
		p.begin(o, nil)
		return nil
	}
	searching, copying := time.Now(), p.times.Copy
	deadline, wait := searching.Add(p.times.Search), firstPause
	for {
		seen, first := p.survey(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if first {
			p.unseen = true
			p.begin(Handover{Result: resultFirst}, nil)
			return nil
		}
		from, reason := "", seen.waits(p.self, time.Since(searching) < p.times.Answer)
		if leader := seen.leader(); leader != nil {
			from = leader.Self.Address
			began := time.Now()
			inTime, end := context.WithTimeout(ctx, copying)
			taken, err := p.takeOver(inTime, *leader)
			if end(); err != nil && !taken && time.Since(began) >= copying {
				err = fmt.Errorf("its log does not come to an end within %v: %w", p.times.Copy, err)
			}
			copying -= time.Since(began)
			switch {
			case err == nil:
				p.rival(seen.rivals(leader.Self))
				return nil
			case ctx.Err() != nil && !taken:
				return ctx.Err()
			}
			reason = fmt.Sprintf("%s cannot be taken over from: %v", from, err)
			p.hub.logger.Warn("a hub cannot be taken over from", "from", from, "error", err)
			if taken || copying <= 0 { // it does not append any more and never will again, or its log never ends
				deadline = time.Now()
			} else if p.hub.log.Head().Seq > 0 {
				deadline = deadline.Add(time.Since(began)) // which was no search
			}
		} else if reason == "" {
			o := Handover{Result: resultFirst}
			if lost := seen.lost(p.self); lost != "" {
				o = Handover{Result: resultMissed, Reason: lost}
			}
			p.begin(o, seen.addresses())
			return nil
		}
		left := time.Until(deadline)
		if left <= 0 {
			p.begin(Handover{Result: resultMissed, From: from, Reason: reason}, seen.addresses())
			return nil
		}
		p.wait(reason)
		pause(ctx, min(wait, left), nil)
		wait = min(2*wait, lastPause)
	}
}

// unable says why a hub cannot ask anybody, or nothing.
func (p *peers) unable() string {
	switch {
	case p.resolver == nil:
		return "the hub does not know its own address: set RUNNEL_POD_IP to the pod's"
	case p.token == "":
		return "the hub has no token to show to others: give it one with --peer-token"
	}
	if _, err := p.token.Token(); err != nil {
		return err.Error()
	}
	return ""
}

// begin makes a hub a leading one in an epoch that nobody else knows. Those that are listed may not know it, and are told.
func (p *peers) begin(o Handover, listed []string) {
	h := p.hub
	h.reload.Lock()
	h.log.Restart()
	h.pool.Restart()
	s := h.state.Load()
	h.log.Configure(s.rules, s.config.Retention.Bytes)
	p.mu.Lock()
	p.become(peer.Leading, peer.Peer{})
	p.mu.Unlock()
	h.reload.Unlock()
	if o.Result == resultMissed {
		p.rival(listed)
	}
	p.ended(o)
	if o.Result == resultMissed {
		h.logger.Error("a hand-over was missed: history is lost, and readers are told reset", "from", o.From, "reason", o.Reason, "epoch", h.log.Epoch())
	}
}

// rival notes who may believe to lead, besides this hub. Nil is nobody.
func (p *peers) rival(addresses []string) {
	if addresses == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.role != peer.Leading {
		return
	}
	p.claims = map[string]bool{}
	for _, address := range addresses {
		p.claims[address] = false
	}
}

// sighting is what a peer answered.
type sighting struct {
	address string
	state   peer.State
	err     error
}

// look is what there is to be seen of a hub's peers.
type look struct {
	err    error // why they cannot be found
	listed bool  // the hub itself is found
	peers  []sighting
}

// look asks all peers that are listed, those that they follow and some others. The name server has so long to answer; zero is its usual
// time.
func (p *peers) look(ctx context.Context, within time.Duration, others ...string) look {
	var l look
	var listed []string
	asking, cancel := ctx, context.CancelFunc(func() {})
	if within > 0 {
		asking, cancel = context.WithTimeout(ctx, within)
	}
	listed, l.listed, l.err = p.resolver.Peers(asking)
	cancel()
	asked := map[string]bool{p.self.Address: true, "": true}
	for next := append(listed, others...); len(next) > 0; {
		var now []string
		for _, address := range next {
			if !asked[address] {
				now, asked[address] = append(now, address), true
			}
		}
		next = nil
		for _, s := range p.ask(ctx, now) {
			l.peers = append(l.peers, s)
			next = append(next, s.state.Leader.Address)
		}
	}
	return l
}

func (p *peers) ask(ctx context.Context, addresses []string) []sighting {
	ctx, cancel := context.WithTimeout(ctx, p.times.Answer)
	defer cancel()
	all := make([]sighting, len(addresses))
	var asking sync.WaitGroup
	for i, address := range addresses {
		asking.Go(func() {
			all[i].address = address
			all[i].state, all[i].err = p.client.State(ctx, address)
			all[i].state.Self.Address = address // at which it was found
		})
	}
	asking.Wait()
	return all
}

// addresses of all who were asked; not nil.
func (l look) addresses() []string {
	all := []string{}
	for _, s := range l.peers {
		all = append(all, s.address)
	}
	return all
}

// rivals are addresses of those who may believe to lead, besides who does.
func (l look) rivals(leader peer.Peer) (all []string) {
	for _, s := range l.peers {
		silent := s.err != nil && !errors.Is(s.err, peer.ErrNotThere) && !l.refuses(s)
		if silent || s.err == nil && s.state.Role == peer.Leading && s.state.Self.Instance != leader.Instance {
			all = append(all, s.address)
		}
	}
	return all
}

// leader is who leads; of several, who started last. Nil is nobody.
func (l look) leader() (leader *peer.State) {
	for _, s := range l.peers {
		if s.err == nil && s.state.Role == peer.Leading && (leader == nil || leader.Self.Before(s.state.Self)) {
			leader = &s.state
		}
	}
	return leader
}

// waits says for what a hub that starts waits before it may lead by itself, or nothing. Whoever refuses connections is not there, or starts
// later: but early on it may be the way there that is not ready yet, as with a proxy in each pod.
func (l look) waits(self peer.Peer, early bool) string {
	var all []string
	if l.err != nil {
		all = append(all, fmt.Sprintf("the hubs of the stream cannot be found: %v", l.err))
	} else if !l.listed {
		all = append(all, "the hub's own address is not listed yet among those of the stream's hubs")
	}
	for _, s := range l.peers {
		switch {
		case errors.Is(s.err, peer.ErrNotThere) && !early, l.refuses(s):
		case s.err != nil:
			all = append(all, fmt.Sprintf("%s: %v", s.address, s.err))
		case s.state.Role == peer.Starting && s.state.Self.Before(self):
			all = append(all, s.address+" is starting, since before this hub")
		case s.follows(self):
		case s.state.Role == peer.Following || s.state.Role == peer.Superseded:
			all = append(all, fmt.Sprintf("%s leads by what %s says, and does not answer so", s.state.Leader.Address, s.address))
		}
	}
	return strings.Join(all, "; ")
}

// refuses says whether a peer will hand nothing over, however often it is asked.
func (l look) refuses(s sighting) bool {
	var refusal *peer.Refusal
	return errors.As(s.err, &refusal) && slices.Contains([]string{peer.CodeAlone, peer.CodeVersion}, refusal.Code)
}

// follows says whether a peer follows what was at a hub's own address before: that has ended, and nobody else leads.
func (s sighting) follows(self peer.Peer) bool {
	return s.err == nil && s.state.Role == peer.Following && s.state.Leader.Address == self.Address && s.state.Leader.Instance != self.Instance
}

// lost says who is listed and hands nothing over, and why, or nothing.
func (l look) lost(self peer.Peer) string {
	var all []string
	for _, s := range l.peers {
		switch {
		case l.refuses(s), errors.Is(s.err, peer.ErrNotThere):
			all = append(all, fmt.Sprintf("%s: %v", s.address, s.err))
		case s.follows(self):
			all = append(all, fmt.Sprintf("%s follows the hub that was at this one's address before it, and has ended", s.address))
		}
	}
	return strings.Join(all, "; ")
}
