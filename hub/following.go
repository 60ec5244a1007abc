package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/peer"
)

// errSuperseded ends a hub whose epoch nobody goes on with. A container that starts anew takes over again, if it is wanted.
var errSuperseded = errors.New("another hub leads in another epoch, since this one did not answer it")

// errToLead says that the log that was followed is over, and that this hub goes on with it as soon as it has heard so.
var errToLead = errors.New("this hub is to lead, and has no answer that says so")

// follow copies what the leader appends, whoever that becomes, until the hub has another role or ctx is done. It fails when nobody leads
// for too long.
func (p *peers) follow(ctx context.Context) error {
	heard, wait := time.Now(), firstPause
	for {
		role, leader, changed := p.now()
		if role != peer.Following || ctx.Err() != nil {
			return nil
		}
		if leads, err := p.assume(leader); leads || err != nil {
			return err
		}
		before := heard
		err := p.copyFrom(ctx, leader, &heard)
		if role, _, _ := p.now(); role != peer.Following || ctx.Err() != nil {
			return nil
		}
		if err == nil { // it said who goes on
			continue
		}
		if heard != before {
			wait = firstPause
		}
		if errors.Is(err, errToLead) && time.Since(heard) < p.times.Leaderless {
			pause(ctx, wait, changed)
			continue
		}
		p.hub.logger.Warn("the leader is not heard", "leader", leader.Address, "error", err, "since", time.Since(heard).Round(time.Millisecond).String())
		p.find(ctx, leader)
		if time.Since(heard) > p.times.Leaderless {
			return fmt.Errorf("nobody appends in epoch %s for %v, by what this hub can see: %w", p.hub.log.Epoch(), p.times.Leaderless, err)
		}
		pause(ctx, wait, changed)
		wait = min(2*wait, lastPause)
	}
}

// copyFrom copies a leader's log as it comes. It returns nil when another hub goes on with it, which is followed from then on, or when this
// one does.
func (p *peers) copyFrom(ctx context.Context, leader peer.Peer, heard *time.Time) error {
	if leader.Address == "" {
		return errors.New("nobody is known to lead")
	}
	log, err := p.client.Log(ctx, leader.Address, peer.LogRequest{Epoch: p.hub.log.Epoch(), After: p.hub.log.Position(), By: p.self})
	if err != nil {
		return err
	}
	defer log.Close()
	for {
		f, err := log.Next()
		if err != nil {
			return err
		}
		if err := p.replicate(f.Records); err != nil {
			return err
		}
		*heard = time.Now()
		if leads, err := p.assume(leader); leads || err != nil {
			return err
		}
		switch {
		case !f.End:
		case f.Leader.Instance == p.self.Instance:
			return errToLead
		case f.Leader.Address == "":
			return errors.New("its log is over, and nobody is known to go on with it")
		default:
			p.redirect(leader, f.Leader)
			return nil
		}
		if role, _, _ := p.now(); role != peer.Following {
			return nil
		}
	}
}

// replicate takes over what the leader's log tells, and lets readers see it.
func (p *peers) replicate(records []eventlog.Record) error {
	if len(records) == 0 {
		return nil
	}
	ended, err := p.hub.log.Replicate(records)
	p.hub.log.Announce()
	p.arrivals.reached(p.hub.log.Head().Seq)
	for _, topic := range ended {
		p.hub.pool.Wake(topic)
	}
	if slices.ContainsFunc(records, func(r eventlog.Record) bool { return r.Rules != nil }) {
		p.hub.pool.EndRemoved()
	}
	return err
}

// assume makes the hub lead if it was given the right to, and has come to the end of the log.
func (p *peers) assume(from peer.Peer) (leads bool, err error) {
	p.mu.Lock()
	granted := p.granted
	p.mu.Unlock()
	if granted == nil || !reached(p.hub.log.Position(), *granted) {
		return false, nil
	}
	if err := p.lead(*granted); err != nil {
		return false, err
	}
	p.hub.log.Announce()
	p.ended(Handover{Result: resultTaken, From: from.Address})
	p.hub.logger.Info("took over again", "from", from.Address, "epoch", p.hub.log.Epoch(), "sequence", granted.Seq)
	return true, nil
}

// find looks for who leads now that one is not heard any more.
func (p *peers) find(ctx context.Context, last peer.Peer) {
	epoch := p.hub.log.Epoch()
	seen := p.look(ctx, 0, last.Address)
	for _, s := range seen.peers {
		if s.err == nil && s.state.Epoch == epoch && s.state.Role == peer.Leading {
			p.redirect(last, s.state.Self)
			return
		}
	}
	if leader := seen.leader(); leader != nil && ctx.Err() == nil {
		p.supersede(leader.Self)
	}
}

// supersede gives a hub's epoch up for that of another one, which leads.
func (p *peers) supersede(by peer.Peer) {
	p.mu.Lock()
	before := p.role
	if before == peer.Starting || p.leader.Instance == by.Instance && before == peer.Superseded {
		p.mu.Unlock()
		return
	}
	p.hub.log.Seal()
	p.claims, p.granted, p.asking = nil, nil, false
	p.become(peer.Superseded, by)
	p.mu.Unlock()
	p.hub.log.Announce() // for who copies it: it is over
	if before == peer.Superseded {
		return
	}
	p.ended(Handover{Result: resultSuperseded, To: by.Address, Reason: errSuperseded.Error()})
	p.hub.logger.Error("superseded: what was stored since is lost, and readers are told reset", "by", by.Address, "epoch", p.hub.log.Epoch(), "was", string(before))
}

// insist tells others that this hub leads, those that may not know it, for as long as they are listed.
func (p *peers) insist(ctx context.Context, changed <-chan struct{}) {
	for ctx.Err() == nil {
		if done := p.claim(ctx); done {
			return
		}
		pause(ctx, p.times.Insist, changed)
		if role, _, _ := p.now(); role != peer.Leading {
			return
		}
	}
}

// claim tells those once that do not know, and says whether all do.
func (p *peers) claim(ctx context.Context) (done bool) {
	p.mu.Lock()
	none := p.claims == nil
	p.mu.Unlock()
	if none || p.resolver == nil {
		return true
	}
	addresses, listed, err := p.resolver.Peers(ctx)
	done = listed && err == nil
	for _, address := range addresses {
		p.mu.Lock()
		known := p.claims[address]
		p.mu.Unlock()
		if known {
			continue
		}
		if err := p.claimFrom(ctx, address); err != nil {
			done = false
		}
	}
	return done
}

// claimFrom tells one. It fails when that one may have to be told again.
func (p *peers) claimFrom(ctx context.Context, address string) error {
	asking, cancel := context.WithTimeout(ctx, p.times.Answer)
	defer cancel()
	epoch := p.hub.log.Epoch()
	err := p.client.Supersede(asking, address, peer.Claim{Epoch: epoch, By: p.self})
	var refusal *peer.Refusal
	if errors.As(err, &refusal) {
		switch {
		case refusal.Code == peer.CodeAlone, refusal.Code == peer.CodeVersion:
			err = nil // it will never know
		case refusal.Epoch == epoch: // a hub of the same epoch supersedes nobody; it may have taken over meanwhile
		case refusal.Code == peer.CodeEpoch && p.self.Before(refusal.Leader) && refusal.Leader.Instance != "":
			p.supersede(refusal.Leader)
			return nil
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.claims != nil {
		p.claims[address] = err == nil
	}
	return err
}
