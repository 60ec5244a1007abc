package hub

import (
	"cmp"
	"errors"
	"net"
	"time"

	"github.com/runnel-dev/runnel/hub/peer"
)

// WithClock sets the clock of credentials.
func (o Options) WithClock(now func() time.Time) Options {
	o.now = now
	return o
}

// WithTimeouts sets how long a client may take for its headers and its body.
func (o Options) WithTimeouts(headers, body time.Duration) Options {
	o.headers, o.body = headers, body
	return o
}

// WithLinger sets how long events linger that their topic has no more room for.
func (o Options) WithLinger(linger time.Duration) Options {
	o.linger = linger
	return o
}

// WithLastRequests sets how long a hub that accepts no more waits for requests, unless it is set.
func (o Options) WithLastRequests(last time.Duration) Options {
	o.last = cmp.Or(o.last, last)
	return o
}

// Times are what a hub waits for among its peers.
type Times = peerTimes

// WithPeers sets how a hub finds others, where they find it, and what it waits for.
func (o Options) WithPeers(by peer.Resolver, self string, times Times) Options {
	o.resolver, o.self, o.times = by, self, &times
	return o
}

// EndpointsGone tells a hub that waits for Times.Endpoints until it ends that this time is over.
func (h *Hub) EndpointsGone() { h.peers.lose(errors.New("nobody is sent to this hub any more")) }

// Listeners are those for readers and publishers.
func (h *Hub) Listeners() []net.Listener { return []net.Listener{h.subscribe, h.publish} }
