package hub

import (
	"cmp"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/peer"
)

// peers is what a hub is to the other hubs of its stream: package peer has the roles and who may change to which.
//
// Locks, in their order: Hub.reload, taking, mu, the log's. Nobody is asked over the network and nothing is waited for under any but
// taking, under which one Take of another hub waits for the one before.
type peers struct {
	hub      *Hub
	self     peer.Peer
	uid      string // of the pod; empty is unknown
	resolver peer.Resolver
	token    peer.TokenFile
	client   *peer.Client
	server   *peer.Server
	times    peerTimes
	lost     chan error // has room for the one reason to end that comes from peers

	// leads is whether the role is leading, for who may not wait.
	leads atomic.Bool

	// arrivals has a lock of its own, which is held with no other.
	arrivals arrivals

	taking sync.Mutex

	mu   sync.Mutex
	role peer.Role
	// leader is who leads as far as is known, unless that is the hub itself; the zero Peer is nobody.
	leader peer.Peer
	// changed is closed and replaced whenever role, leader or granted change.
	changed chan struct{}
	// grant is the right to append that this hub gave away last, and granted the end of the log from which on it may append itself as soon
	// as it has come there; nil is none.
	grant   *grant
	granted *eventlog.Position
	// takes counts how often the right to append was asked for, and asking is set from then on until the hub leads or will not.
	takes  uint64
	asking bool
	// copiers are who copies the log from here, with how often they do.
	copiers map[peer.Peer]int
	// claims are addresses of peers who may not know that this hub leads in an epoch of its own, and whether they know by now; nil when
	// there are none.
	claims map[string]bool
	// outcome is how the last hand-over went; waiting is what a starting hub waits for.
	outcome  *Handover
	waiting  string
	stopping bool
	// first says that the configuration names this hub as the first one; hurry ends the look that a starting hub has under way.
	first bool
	hurry context.CancelFunc

	// unseen says that the hub leads and others may not find it yet. It belongs to start, and then to run.
	unseen bool
}

// grant is a right to append that was given away.
type grant struct {
	asked peer.Take
	taken peer.Taken
}

// peerTimes bound what a hub waits for.
type peerTimes struct {
	Search     time.Duration // a starting hub, for who leads
	Copy       time.Duration // a starting hub, for all of a log, in as many attempts as it takes
	Answer     time.Duration // one answer
	Leaderless time.Duration // a following hub, and a publisher, for who leads
	Successor  time.Duration // a leading hub that shall end, for who takes over
	Endpoints  time.Duration // until nobody is sent here any more
	Ahead      time.Duration // a reader whose events have not come here yet
	Insist     time.Duration // between two claims
}

// usualTimes are well within the time that a pod is given to start and to end.
func usualTimes() peerTimes {
	return peerTimes{
		Search: 10 * time.Second, Answer: 2 * time.Second, Leaderless: 10 * time.Second,
		Copy:      5 * time.Minute,       // half of the time that a Deployment gives to progress; a log of 64 MiB takes a second or two
		Successor: config.SuccessorWait,  // a pod that is evicted has its replacement running by then, or it takes long
		Endpoints: config.EndpointsDelay, // kube-proxy and most load balancers follow within a second or two
		Ahead:     5 * time.Second, Insist: time.Second,
	}
}

// How a hand-over went.
const (
	// resultFirst: nobody led before.
	resultFirst = "first"
	// resultTaken: this hub took over; epoch, sequence and history go on.
	resultTaken = "taken_over"
	// resultGiven: another hub took over from this one.
	resultGiven = "given"
	// resultMissed: there was somebody, and it could not be taken over from; readers are told reset.
	resultMissed = "missed"
	// resultSuperseded: another hub began a new epoch, since this one did not answer it.
	resultSuperseded = "superseded"
)

// Handover is how the last hand-over between hubs of the stream went.
type Handover struct {
	// Result is first (nobody was there to take over from), taken_over (epoch, sequence and history go on here), given (they go on
	// elsewhere), missed (the epoch is new, since the hub before could not be taken over from) or superseded (another hub leads, in
	// another epoch).
	Result string `json:"result"`
	// From and To are addresses of who gave and who took.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Reason of what was missed.
	Reason string `json:"reason,omitempty"`
	// Events that were copied, and how long that took with all else.
	Events int    `json:"events,omitempty"`
	Took   string `json:"took,omitempty"`
	// Paused is how long nobody could append.
	Paused string `json:"paused,omitempty"`
}

// newPeers returns what a hub that listens is to others; nil when its configuration has none, or nobody has told the hub who it is itself,
// as outside of a cluster. It fails for an address that is none.
func (h *Hub) newPeers(o Options) (*peers, error) {
	c := o.Config.Peers
	if c == nil || o.PodIP == "" && o.PeerToken == "" {
		return nil, nil
	}
	p := &peers{
		hub: h, resolver: o.resolver, token: peer.TokenFile(o.PeerToken), times: usualTimes(), lost: make(chan error, 1),
		uid: o.PodUID, role: peer.Starting, changed: make(chan struct{}), copiers: map[peer.Peer]int{},
		self: peer.Peer{Address: h.admin.Addr().String(), Instance: event.NewEpoch() + event.NewEpoch(), Started: h.now().UnixNano()},
	}
	if o.times != nil {
		p.times = *o.times
	}
	if p.resolver == nil && o.PodIP != "" {
		_, port, err := net.SplitHostPort(h.admin.Addr().String())
		if err != nil {
			return nil, err
		}
		dns, err := peer.NewDNS(c.Service, o.PodIP, port, o.Nameserver)
		if err != nil {
			return nil, err
		}
		p.resolver, p.self.Address = dns, dns.Self()
	}
	p.self.Address = cmp.Or(o.self, p.self.Address)
	p.named(c)
	var err error
	if p.client, err = peer.NewClient(p.Credentials); err != nil {
		return nil, err
	}
	p.server, err = peer.NewServer(p, h.logger)
	return p, err
}

// now is what the hub is, and a channel that is closed when it becomes something else. A hub without peers leads.
func (p *peers) now() (role peer.Role, leader peer.Peer, changed <-chan struct{}) {
	if p == nil {
		return peer.Leading, peer.Peer{}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.role, p.leader, p.changed
}

// is says whether the hub has a role.
func (p *peers) is(role peer.Role) bool {
	now, _, _ := p.now()
	return now == role
}

// appends says whether events are stored here. That may have ended when they are, which the log says then.
func (p *peers) appends() bool { return p == nil || p.leads.Load() }

// become changes role and leader. mu is held.
func (p *peers) become(role peer.Role, leader peer.Peer) {
	p.role, p.leader, p.waiting = role, leader, ""
	p.leads.Store(role == peer.Leading)
	p.tell()
}

// tell wakes who waits for a change. mu is held.
func (p *peers) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// redirect follows another leader in the place of one, if that is still the one that is known.
func (p *peers) redirect(from, to peer.Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leader == from && from != to && to.Instance != p.self.Instance && (p.role == peer.Following || p.role == peer.Superseded) {
		p.become(p.role, to)
	}
}

// pause waits for a time, a change or the context's end.
func pause(ctx context.Context, d time.Duration, changed <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-changed:
	case <-t.C:
	}
}

// lose ends the hub for a reason that comes from its peers; the first one counts.
func (p *peers) lose(err error) {
	select {
	case p.lost <- err:
	default:
	}
}

// ended notes how a hand-over went.
func (p *peers) ended(o Handover) {
	p.mu.Lock()
	p.outcome = &o
	p.mu.Unlock()
	if o.Result != resultFirst {
		p.hub.metrics.handovers.WithLabelValues(o.Result).Inc()
	}
}

// last is how the last hand-over went; nil is none.
func (p *peers) last() *Handover {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.outcome
}

// wait notes what a starting hub waits for.
func (p *peers) wait(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = what
}

// notReady says why nobody shall be sent to this hub, or nothing.
func (p *peers) notReady() string {
	if p == nil {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.role {
	case peer.Starting:
		return "starting: " + cmp.Or(p.waiting, "looking for the stream's other hubs")
	case peer.Superseded:
		return "superseded by " + p.leader.Address + ", which leads in another epoch"
	}
	return ""
}

// run does what a role takes, until ctx is done.
func (p *peers) run(ctx context.Context) {
	for ctx.Err() == nil {
		role, _, changed := p.now()
		switch role {
		case peer.Leading:
			if p.unseen {
				p.yield(ctx, changed)
			}
			p.insist(ctx, changed)
		case peer.Following:
			if err := p.follow(ctx); err != nil {
				p.lose(err)
				return
			}
			continue
		case peer.Superseded:
			p.lose(errSuperseded)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}
