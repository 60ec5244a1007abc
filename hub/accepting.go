package hub

import (
	"errors"
	"net"
	"sync"
)

// cannotAccept counts a connection that is lost since the system has no descriptor for it, or the like.
func (h *Hub) cannotAccept(port portName, err error) {
	h.metrics.acceptFailures.WithLabelValues(string(port)).Inc()
	h.notices.accepts.add(string(port), func() []any { return []any{"error", err} })
}

// acceptsNoMore counts that connections have to wait.
func (h *Hub) acceptsNoMore(port portName) {
	h.metrics.acceptWaits.WithLabelValues(string(port)).Inc()
	h.notices.full.add(string(port), func() []any {
		return []any{"descriptors", h.process.Descriptors, "subscribers", h.taken.Load(), "others", h.state.Load().others}
	})
}

// roomOf returns how many connections a port may have at a time; 0 is any number. Clients of neither port may take the descriptors that the
// others and probes need.
func (h *Hub) roomOf(port portName) func() int {
	return func() int {
		s := h.state.Load()
		switch {
		case s.others == 0 || port == adminPort:
			return 0
		case port == subscribePort:
			return s.others + s.connections
		}
		return s.others
	}
}

// roomOfFront is roomOf for a front, which does not count the subscribers whose sockets were taken from it.
func (h *Hub) roomOfFront(port portName) func() int {
	room := h.roomOf(port)
	if port != subscribePort {
		return room
	}
	return func() int {
		all := room()
		if all == 0 {
			return 0
		}
		return max(all-int(h.taken.Load()), 1)
	}
}

// accepting is a listener whose connections net/http serves alone. It says when they cannot be accepted, which net/http tries again, and
// leaves connections beyond a limit waiting until others end. An idle one ends within idleTimeout.
type accepting struct {
	net.Listener
	hub   *Hub
	port  portName
	limit func() int // of connections at a time; 0 is any number

	mu      sync.Mutex
	changed sync.Cond // on mu: open or closed
	open    int
	closed  bool
}

func newAccepting(l net.Listener, h *Hub, port portName, limit func() int) *accepting {
	a := &accepting{Listener: l, hub: h, port: port, limit: limit}
	a.changed.L = &a.mu
	return a
}

// Accept implements net.Listener.
func (a *accepting) Accept() (net.Conn, error) {
	a.enter()
	c, err := a.Listener.Accept()
	if err != nil {
		a.leave()
		if !errors.Is(err, net.ErrClosed) {
			a.hub.cannotAccept(a.port, err)
		}
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		a.leave()
		return c, nil
	}
	return &accepted{TCPConn: tcp, left: sync.OnceFunc(a.leave)}, nil
}

// enter waits for a place.
func (a *accepting) enter() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for waits := false; a.isFull(); a.changed.Wait() {
		if !waits {
			waits = true
			a.hub.acceptsNoMore(a.port)
		}
	}
	a.open++
}

func (a *accepting) isFull() bool {
	limit := a.limit()
	return !a.closed && limit > 0 && a.open >= limit
}

func (a *accepting) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	a.changed.Signal()
}

// Close implements net.Listener.
func (a *accepting) Close() error {
	a.mu.Lock()
	a.closed = true
	a.changed.Broadcast()
	a.mu.Unlock()
	return a.Listener.Close()
}

// connections is how many are open.
func (a *accepting) connections() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open
}

// accepted is a connection of an accepting listener.
type accepted struct {
	*net.TCPConn
	left func()
}

// Close implements net.Conn.
func (c *accepted) Close() error {
	defer c.left()
	return c.TCPConn.Close()
}
