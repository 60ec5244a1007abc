package hub

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// keepAlive is how long a connection rests until its other end is probed.
const keepAlive = 15 * time.Second

// unsentBytes is two of the batches that are written at once: while the kernel sends the one, the other waits.
const unsentBytes = 128 << 10

// listen opens the ports, or none of them.
func (h *Hub) listen(o Options) error {
	var opened []net.Listener
	clients := clientListener(h.stall)
	for _, l := range []struct {
		name, addr string
		by         net.ListenConfig
		into       *net.Listener
	}{{"subscribe", o.SubscribeAddr, clients, &h.subscribe}, {"publish", o.PublishAddr, clients, &h.publish}, {"admin", o.AdminAddr, net.ListenConfig{}, &h.admin}} {
		ln, err := l.by.Listen(context.Background(), "tcp", l.addr)
		if err != nil {
			for _, open := range opened {
				err = errors.Join(err, open.Close())
			}
			return fmt.Errorf("cannot listen for %s: %w", l.name, err)
		}
		*l.into = ln
		opened = append(opened, ln)
	}
	return nil
}

// clientListener makes connections that end when the other end acknowledges nothing of what it is sent, heartbeats and probes
// included, for the stall timeout and the time until it is probed. Otherwise a client that has vanished keeps its place for the quarter
// of an hour for which a system sends again. The stall timeout alone is too short: on a connection at rest the time begins when
// the other end was last heard of, which may be a probe ago, and a client may be silent for the stall timeout.
func clientListener(stall time.Duration) net.ListenConfig {
	c := net.ListenConfig{
		KeepAliveConfig: probes(),
		Control: func(_, _ string, socket syscall.RawConn) error {
			var failed error
			err := socket.Control(func(fd uintptr) {
				failed = errors.Join(limitSilence(fd, stall+keepAlive), limitUnsent(fd, unsentBytes))
			})
			return errors.Join(err, failed)
		},
	}
	c.SetMultipathTCP(false) // of which Linux has no such limit
	return c
}

// probes is when the other end of a connection is asked whether it is still there.
func probes() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive}
}
