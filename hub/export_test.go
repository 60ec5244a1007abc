package hub

import (
	"net"
	"time"
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

// Listeners are those for readers and publishers.
func (h *Hub) Listeners() []net.Listener { return []net.Listener{h.subscribe, h.publish} }
