package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/peer"
)

// takeOver makes a starting hub the leading one in the epoch of who leads. When it fails, taken says whether that one may have given up the
// right to append.
func (p *peers) takeOver(ctx context.Context, leader peer.State) (taken bool, err error) {
	began, from, h := time.Now(), leader.Self.Address, p.hub
	if err := h.log.Copy(leader.Epoch); err != nil {
		return false, err
	}
	// The copy must not end with ctx after the hand-over, or nobody would append any more.
	copying, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	inTime := context.AfterFunc(ctx, cancel)
	defer inTime()
	log, err := p.client.Log(copying, from, peer.LogRequest{Epoch: leader.Epoch, By: p.self})
	if err != nil {
		return false, err
	}
	defer func() { log.Close() }()
	p.wait(fmt.Sprintf("copying %d events of %s", log.Seq, from))
	events := 0
	for synced := false; !synced; {
		f, err := log.Next()
		if err == nil && f.End {
			err = errors.New("it has handed over to another hub meanwhile")
		}
		if err != nil {
			return false, err
		}
		events += len(f.Records)
		if _, err := h.log.Replicate(f.Records); err != nil {
			return false, err
		}
		synced = f.Synced != nil
	}
	if !inTime() {
		return false, ctx.Err()
	}
	paused := time.Now()
	granted, asked, err := p.take(copying, from, leader.Epoch)
	if err != nil {
		return asked, err
	}
	rest, end := context.WithTimeout(copying, p.times.Leaderless)
	defer end()
	for !reached(h.log.Position(), granted.End) {
		f, err := log.Next()
		if err == nil {
			_, err = h.log.Replicate(f.Records)
		}
		if err == nil && rest.Err() == nil {
			continue
		}
		log.Close()
		again, failed := p.client.Log(rest, from, peer.LogRequest{Epoch: leader.Epoch, After: h.log.Position(), By: p.self})
		for failed != nil && rest.Err() == nil {
			pause(rest, firstPause, nil)
			again, failed = p.client.Log(rest, from, peer.LogRequest{Epoch: leader.Epoch, After: h.log.Position(), By: p.self})
		}
		if failed != nil {
			return true, fmt.Errorf("the end of its log does not come: %w", errors.Join(err, failed))
		}
		log = again
	}
	h.pool.Restart() // which has no readers yet
	if err := p.lead(granted.End); err != nil {
		return true, err
	}
	o := Handover{
		Result: resultTaken, From: from, Events: h.log.Usage().Events,
		Took: time.Since(began).Round(time.Microsecond).String(), Paused: time.Since(paused).Round(time.Microsecond).String(),
	}
	p.ended(o)
	h.logger.Info("took over", "from", from, "epoch", leader.Epoch, "sequence", granted.End.Seq, "events", o.Events, "records", events, "took", o.Took, "paused", o.Paused)
	return true, nil
}

// reached says whether a log has come to the end of another one.
func reached(at, end eventlog.Position) bool {
	return at.Seq >= end.Seq && at.IDs >= end.IDs && at.Completions >= end.Completions
}

// lead begins to append where another hub has ended, with rules of the hub's own. It fails with errSuperseded when another hub is known by
// then to lead in another epoch.
func (p *peers) lead(from eventlog.Position) error {
	h := p.hub
	h.reload.Lock()
	defer h.reload.Unlock()
	if err := p.unseal(from); err != nil {
		return err
	}
	s := h.state.Load()
	h.log.Configure(s.rules, s.config.Retention.Bytes)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.role == peer.Superseded { // meanwhile, and the log is sealed again
		return errSuperseded
	}
	p.granted, p.asking = nil, false
	p.become(peer.Leading, peer.Peer{})
	return nil
}

// unseal gives the log the right to append, unless the hub is superseded: who seals it for that holds mu, too.
func (p *peers) unseal(from eventlog.Position) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.role == peer.Superseded {
		return errSuperseded
	}
	return p.hub.log.Unseal(from)
}
