package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// errPermission is what listening on a low port fails with for those who may not.
const errPermission = syscall.EACCES

// dialTimeout bounds the connection to a pod. On loopback it is made or refused at once, except by a stopped process whose backlog is
// full: there Linux gives up after two minutes by itself, and so would a client of a real cluster. A slow and busy machine needs more
// than a moment.
const dialTimeout = 2 * time.Minute

// acceptPause follows an Accept that failed, most likely because the process has no file descriptor left just now.
const acceptPause = 50 * time.Millisecond

// copyBytes is what is passed on at a time: little, since thousands of readers wait for events of some hundred bytes.
const copyBytes = 4 << 10

// port is one listener and its connections. It listens only while it has backends, so that a Service without any
// refuses connections.
type port struct {
	address string
	all     *sync.WaitGroup // its goroutines

	mu       sync.Mutex
	listener net.Listener
	backends []string
	next     int
	pairs    map[*pair]bool
}

func newPort(address string, all *sync.WaitGroup) *port {
	return &port{address: address, all: all, pairs: map[*pair]bool{}}
}

// serve replaces the backends; connections that were made stay.
func (p *port) serve(backends []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.backends = backends
	switch {
	case len(backends) == 0 && p.listener != nil:
		_ = p.listener.Close() // of a listener, nothing is lost by an error
		p.listener = nil
	case len(backends) > 0 && p.listener == nil:
		l, err := net.Listen("tcp", p.address)
		if err != nil {
			return err
		}
		p.listener = l
		p.all.Go(func() { p.accept(l) })
	}
	return nil
}

// retire ends listening and leaves connections alone. It says whether there is none, so that the port can be forgotten; else
// somebody must close it in the end.
func (p *port) retire() bool {
	_ = p.serve(nil) // closes, so it does not fail
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairs) == 0
}

// close ends listening and cuts every connection.
func (p *port) close() {
	_ = p.serve(nil) // closes, so it does not fail
	p.cut()
}

func (p *port) cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.reset()
	}
	return len(p.pairs)
}

func (p *port) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptPause)
			continue
		}
		client := conn.(*net.TCPConn)
		p.mu.Lock()
		if len(p.backends) == 0 || p.listener != l {
			p.mu.Unlock()
			abort(client)
			continue
		}
		p.next = (p.next + 1) % len(p.backends)
		backend := p.backends[p.next]
		ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
		c := &pair{client: client, giveUp: cancel}
		p.pairs[c] = true
		p.mu.Unlock()
		p.all.Go(func() {
			c.run(ctx, backend)
			p.mu.Lock()
			delete(p.pairs, c)
			p.mu.Unlock()
		})
	}
}

// pair is one connection from a client to a pod.
type pair struct {
	client *net.TCPConn
	giveUp context.CancelFunc // ends an attempt to connect to the pod

	mu   sync.Mutex
	pod  *net.TCPConn
	over bool
}

// run passes on what the two sides send. ctx bounds the connection to the pod, and nothing after it.
func (c *pair) run(ctx context.Context, backend string) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", backend)
	c.giveUp()
	if err != nil {
		abort(c.client) // the client's connection exists already, so it cannot be refused any more
		return
	}
	pod := conn.(*net.TCPConn)
	c.mu.Lock()
	c.pod = pod
	if c.over {
		abort(pod)
	}
	c.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { c.copy(pod, c.client) })
	both.Go(func() { c.copy(c.client, pod) })
	both.Wait()
	_ = pod.Close()
	_ = c.client.Close()
}

// copy passes on bytes, then the end of them: an orderly end as one, and a broken connection as a reset of both. It keeps the two
// connections' splice(2) out, which holds a pipe, so two descriptors, for each direction as long as it waits.
func (c *pair) copy(to, from *net.TCPConn) {
	if _, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, copyBytes)); err != nil {
		c.reset()
		return
	}
	if err := to.CloseWrite(); err != nil {
		c.reset()
	}
}

func (c *pair) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.giveUp()
	abort(c.client)
	if c.pod != nil {
		abort(c.pod)
	}
}

// abort closes with RST rather than FIN.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0) // both fail only on a connection that is closed
	_ = c.Close()
}
