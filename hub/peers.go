package hub

import (
	"context"
	"errors"
	"time"

	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/peer"
)

// Credentials implements peer.Host. A hub whose configuration has no peers any more hands nothing over.
func (p *peers) Credentials() peer.Credentials {
	known := p.hub.state.Load().peers
	if known == nil || p.token == "" {
		return nil
	}
	return peer.FileCredentials{TokenFile: p.token, Peers: known}
}

// State implements peer.Host.
func (p *peers) State() peer.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	head := p.hub.log.Head()
	return peer.State{
		Version: peer.Version, Self: p.self, Role: p.role, Epoch: head.Epoch, Seq: head.Seq, Leader: p.leader, Stopping: p.stopping,
	}
}

// settled waits while the hub is about to lead, or to find out whether it does, and returns what it is then.
func (p *peers) settled(ctx context.Context) (peer.Role, error) {
	for {
		p.mu.Lock()
		role, asking, changed := p.role, p.asking, p.changed
		p.mu.Unlock()
		if role != peer.Starting && !asking {
			return role, nil
		}
		select {
		case <-ctx.Done():
			return role, peer.Refuse(peer.CodeLater, "it is about to lead, or not")
		case <-changed:
		}
	}
}

// refuse says that the hub does not do what a leader does, or not in that epoch.
func (p *peers) refuse(code, reason string) *peer.Refusal {
	state := p.State()
	refusal := peer.Refuse(code, "%s: it is %s in epoch %s", reason, state.Role, state.Epoch)
	refusal.Epoch, refusal.Leader = state.Epoch, state.Leader
	if state.Role == peer.Leading {
		refusal.Leader = p.self
	}
	return refusal
}

// Log implements peer.Host.
func (p *peers) Log(ctx context.Context, q peer.LogRequest) (peer.Source, error) {
	role, err := p.settled(ctx)
	if err != nil {
		return nil, err
	}
	if p.hub.log.Epoch() != q.Epoch || role == peer.Superseded {
		return nil, p.refuse(peer.CodeEpoch, "its log is another one")
	}
	feed, err := p.hub.log.Feed(q.After)
	if err != nil {
		return nil, peer.Refuse(peer.CodeLater, "%v", err)
	}
	s := &source{Feed: feed, peers: p, by: q.By, news: make(chan struct{}, 1)}
	p.hub.log.Notify(s.news)
	p.mu.Lock()
	p.copiers[q.By]++
	p.mu.Unlock()
	return s, nil
}

// source is the log for one who copies it.
type source struct {
	*eventlog.Feed
	peers *peers
	by    peer.Peer
	news  chan struct{}
}

// Begin implements peer.Source.
func (s *source) Begin() (epoch string, seq uint64) {
	head := s.peers.hub.log.Head()
	return head.Epoch, head.Seq
}

// News implements peer.Source.
func (s *source) News() <-chan struct{} { return s.news }

// Over implements peer.Source.
func (s *source) Over() (leader peer.Peer, over bool) {
	role, leader, _ := s.peers.now()
	return leader, role != peer.Leading
}

// Close implements peer.Source.
func (s *source) Close() {
	s.peers.hub.log.Unnotify(s.news)
	s.peers.mu.Lock()
	defer s.peers.mu.Unlock()
	if s.peers.copiers[s.by]--; s.peers.copiers[s.by] == 0 {
		delete(s.peers.copiers, s.by)
	}
}

// Take implements peer.Host. From the moment on at which the log is sealed, whoever finds it sealed finds the hub following, too.
func (p *peers) Take(_ context.Context, q peer.Take) (peer.Taken, error) {
	p.taking.Lock()
	defer p.taking.Unlock()
	p.mu.Lock()
	g := p.grant
	again := g != nil && g.asked == q
	if again && p.role == peer.Following && !p.asking {
		p.mu.Unlock()
		return g.taken, nil
	}
	if again || p.role != peer.Leading || p.hub.log.Epoch() != q.Epoch || q.By.Address == "" || q.By.Instance == p.self.Instance {
		p.mu.Unlock()
		return peer.Taken{}, p.refuse(peer.CodeNotLeading, "it cannot hand over")
	}
	g = &grant{asked: q, taken: peer.Taken{End: p.hub.log.Seal()}}
	p.grant, p.claims = g, nil
	p.become(peer.Following, q.By)
	p.mu.Unlock()
	p.hub.log.Announce() // for who copies it: it is over
	p.ended(Handover{Result: resultGiven, To: q.By.Address})
	p.hub.logger.Info("handed over", "to", q.By.Address, "epoch", q.Epoch, "sequence", g.taken.End.Seq)
	return g.taken, nil
}

// Append implements peer.Host. What was stored of events before the log was sealed is found again by who sends them to the next leader,
// since each has an id.
func (p *peers) Append(ctx context.Context, q peer.Append) (peer.Appended, error) {
	if _, err := p.settled(ctx); err != nil {
		return peer.Appended{}, err
	}
	receipts, err := p.hub.keepAll(q)
	if errors.Is(err, eventlog.ErrSealed) {
		return peer.Appended{}, p.refuse(peer.CodeNotLeading, "it does not append")
	}
	if err != nil {
		return peer.Appended{}, peer.Refuse(peer.CodeMalformed, "%v", err)
	}
	return peer.Appended{Receipts: receipts}, nil
}

// Superseded implements peer.Host. Two hubs that each began an epoch, since neither found the other, both say so: the one that started
// later leads.
func (p *peers) Superseded(_ context.Context, q peer.Claim) error {
	p.mu.Lock()
	role, epoch := p.role, p.hub.log.Epoch()
	_, mutual := p.claims[q.By.Address]
	p.mu.Unlock()
	switch {
	case role == peer.Starting:
		return peer.Refuse(peer.CodeLater, "it is starting, and finds out by itself")
	case role != peer.Superseded && (epoch == q.Epoch || role == peer.Leading && mutual && q.By.Before(p.self)):
		return p.refuse(peer.CodeEpoch, "it goes on")
	}
	p.supersede(q.By)
	return nil
}

// Offered implements peer.Host: the leader is about to end, and this hub is not.
func (p *peers) Offered(ctx context.Context, q peer.Offer) error {
	p.mu.Lock()
	able := p.role == peer.Following && p.leader.Instance == q.By.Instance && !p.stopping && !p.asking && p.hub.log.Epoch() == q.Epoch
	p.asking = p.asking || able
	p.mu.Unlock()
	if !able {
		return p.refuse(peer.CodeNotLeading, "it cannot take over")
	}
	taken, asked, err := p.take(ctx, q.By.Address, q.Epoch)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.role != peer.Following:
	case err == nil:
		p.granted = &taken.End // it leads as soon as it has the rest of the log
		p.tell()
	case !asked:
		p.asking = false
		p.tell()
	}
	return err
}

// take asks for the right to append until there is an answer. Without one, asked says whether the right may have been given all the same:
// nobody appends in the epoch then.
func (p *peers) take(ctx context.Context, address, epoch string) (taken peer.Taken, asked bool, err error) {
	p.mu.Lock()
	p.takes++
	q := peer.Take{Epoch: epoch, By: p.self, Number: p.takes}
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, p.times.Answer*takeAttempts)
	defer cancel()
	for {
		attempt, end := context.WithTimeout(ctx, p.times.Answer)
		taken, err = p.client.Take(attempt, address, q)
		end()
		var refusal *peer.Refusal
		switch {
		case err == nil:
			return taken, true, nil
		case errors.As(err, &refusal) && refusal.Code != peer.CodeLater:
			return taken, asked && refusal.Epoch == "", err // one with an epoch is from the hub itself
		case !errors.Is(err, peer.ErrNotReached) && refusal == nil:
			asked = true
		case !asked:
			return taken, false, err
		}
		if pause(ctx, firstPause, nil); ctx.Err() != nil {
			return taken, asked, err
		}
	}
}

const (
	// takeAttempts is how often the right to append is asked for when nobody answers.
	takeAttempts = 3
	// firstPause and lastPause are how long a hub waits until it asks again; each is twice as long as the one before.
	firstPause = 100 * time.Millisecond
	lastPause  = time.Second
)
