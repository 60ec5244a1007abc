package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"
)

// acceptRetry is the first pause of net/http's server after a failed Accept.
const acceptRetry = 5 * time.Millisecond

// gate is the server's listener. It joins two: a TCP listener for clients, which can be closed and opened again to play an
// API server that is gone, and a unix socket for the server's own clients, which a pause must not disturb: after a
// real restart they would start anew, and here they would come back only after their back-off.
type gate struct {
	addr     *net.TCPAddr
	internal net.Listener
	accepted chan net.Conn
	closed   chan struct{}
	loops    sync.WaitGroup

	mu    sync.Mutex // guards what follows
	outer net.Listener
	conns map[net.Conn]struct{}
	done  bool
}

// openGate listens on the TCP address and on a socket in socketDir.
func openGate(address, socketDir string) (*gate, error) {
	outer, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for clients: %w", err)
	}
	addr := outer.Addr().(*net.TCPAddr)
	if !addr.IP.IsLoopback() {
		_ = outer.Close()
		return nil, fmt.Errorf("the address %s can be reached from other machines: name one of 127.0.0.0/8", addr)
	}
	internal, err := net.Listen("unix", filepath.Join(socketDir, "server.sock"))
	if err != nil {
		_ = outer.Close()
		return nil, fmt.Errorf("listen for the server's own clients: %w", err)
	}
	g := &gate{addr: addr, internal: internal, outer: outer, accepted: make(chan net.Conn), closed: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	g.loops.Go(func() { g.accept(internal, false) })
	g.loops.Go(func() { g.accept(outer, true) })
	return g, nil
}

func (g *gate) accept(l net.Listener, tracked bool) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // most likely the process has no file descriptor left just now
			select {
			case <-time.After(acceptRetry):
				continue
			case <-g.closed:
				return
			}
		}
		if tracked {
			c = g.track(c, l)
		}
		if c == nil {
			return
		}
		select {
		case g.accepted <- c:
		case <-g.closed:
			_ = c.Close()
			return
		}
	}
}

// track remembers a client's connection, and refuses one that raced with a pause.
func (g *gate) track(c net.Conn, l net.Listener) net.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.outer != l {
		_ = c.Close()
		return nil
	}
	t := &trackedConn{Conn: c, gate: g}
	g.conns[t] = struct{}{}
	return t
}

// Accept implements net.Listener. A pause blocks it.
func (g *gate) Accept() (net.Conn, error) {
	select {
	case c := <-g.accepted:
		return c, nil
	case <-g.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener: the clients' address, the same after a pause.
func (g *gate) Addr() net.Addr { return g.addr }

// Close implements net.Listener. Connections stay open: the HTTP server closes them.
func (g *gate) Close() error {
	g.mu.Lock()
	if g.done {
		g.mu.Unlock()
		return net.ErrClosed
	}
	g.done = true
	close(g.closed)
	err := g.internal.Close()
	if g.outer != nil {
		err = errors.Join(err, g.outer.Close())
		g.outer = nil
	}
	g.mu.Unlock()
	g.loops.Wait()
	return err
}

// pause closes the clients' listener and cuts every connection of theirs.
func (g *gate) pause() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.outer == nil {
		return errors.New("the server is paused or stopped already")
	}
	err := g.outer.Close()
	g.outer = nil
	for c := range g.conns {
		_ = c.(*trackedConn).Conn.Close()
	}
	clear(g.conns)
	return err
}

// resume listens again where the server listened before.
func (g *gate) resume() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done || g.outer != nil {
		return errors.New("the server is not paused")
	}
	l, err := net.Listen("tcp", g.addr.String())
	if err != nil {
		return fmt.Errorf("listen again: %w", err)
	}
	g.outer = l
	g.loops.Go(func() { g.accept(l, true) })
	return nil
}

// cut closes the clients' connections, so that a stopping server does not wait for their watches.
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		_ = c.(*trackedConn).Conn.Close()
	}
	clear(g.conns)
}

// dial connects to the server from inside this process; it takes the place of a client's dialer.
func (g *gate) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", g.internal.Addr().String())
}

// trackedConn forgets itself when it is closed.
type trackedConn struct {
	net.Conn
	gate *gate
}

func (c *trackedConn) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.conns, c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}
