// Package cut is a TCP proxy between readers and a hub which cuts their connections.
package cut

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"regexp"
	"sync"
	"sync/atomic"
)

const (
	// chunkBytes is how much is passed on at a time at most.
	chunkBytes = 32 << 10
	// recordBytes is how much of each connection is kept in either direction.
	recordBytes = 64 << 10
	// tailBytes is the longest text that Cut.Behind matches.
	tailBytes = 64
)

// Kind is a way for a connection to end.
type Kind int

const (
	// FIN ends it in order: to a reader of HTTP/1.0 it looks like the answer's end.
	FIN Kind = iota
	// RST ends it as a host does that forgot the connection; what the reader has not read yet may be lost.
	RST
)

// Cut says when a connection ends.
type Cut struct {
	// After is how many bytes of the hub's are passed on before; Never is all of them.
	After int64
	// Behind puts the cut off, once After is reached, until a text has been passed on that it matches, of at most 64 bytes; nil is not at
	// all.
	Behind *regexp.Regexp
	Kind   Kind
}

// Never as Cut.After lets a connection live.
const Never = math.MaxInt64

// Plan returns the cut of each connection, in their order. It is called by one goroutine at a time.
type Plan func() Cut

// Proxy passes connections on.
type Proxy struct {
	listener net.Listener
	cancel   context.CancelFunc
	work     sync.WaitGroup
	cuts     atomic.Int64

	mu     sync.Mutex // guards what follows
	target string
	plan   Plan
	conns  []*conn
}

// conn is one connection and what went over it.
type conn struct {
	client, hub net.Conn
	mu          sync.Mutex // guards up and down
	up, down    bytes.Buffer
}

// Listen starts a proxy on a free port of 127.0.0.1 for a target, host:port. A nil plan never cuts. It is stopped by Close.
func Listen(target string, plan Plan) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot listen for connections to cut: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{target: target, listener: listener, cancel: cancel}
	p.Plan(plan)
	p.work.Go(func() { p.accept(ctx) })
	return p, nil
}

// Addr is where the proxy listens, host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cuts counts the connections that were cut by plan.
func (p *Proxy) Cuts() int { return int(p.cuts.Load()) }

// Plan replaces the plan for connections that are yet to come.
func (p *Proxy) Plan(plan Plan) {
	if plan == nil {
		plan = func() Cut { return Cut{After: Never} }
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = plan
}

// Target replaces the target, host:port, for connections that are yet to come.
func (p *Proxy) Target(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Sent lists what readers sent, the first 64 KiB of each connection, in the order of the connections.
func (p *Proxy) Sent() []string { return p.recorded(func(c *conn) string { return c.up.String() }) }

// Received lists what readers were sent, the first 64 KiB of each connection.
func (p *Proxy) Received() []string {
	return p.recorded(func(c *conn) string { return c.down.String() })
}

func (p *Proxy) recorded(text func(*conn) string) (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.mu.Lock()
		out = append(out, text(c))
		c.mu.Unlock()
	}
	return out
}

// CutAll cuts all connections that there are.
func (p *Proxy) CutAll(kind Kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.end(kind)
	}
}

// Close cuts all connections and stops the proxy.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.cancel()
	p.CutAll(RST)
	p.work.Wait()
	return err
}

func (p *Proxy) accept(ctx context.Context) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		hub, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
		if err != nil {
			reset(client)
			continue
		}
		c := &conn{client: client, hub: hub}
		p.mu.Lock()
		cut := p.plan()
		p.conns = append(p.conns, c)
		p.mu.Unlock()
		if ctx.Err() != nil { // Close has been through the connections already
			c.end(RST)
		}
		p.work.Go(func() { p.downstream(c, cut) })
		p.work.Go(func() { c.upstream() })
	}
}

// downstream passes on what the hub sends until the cut, or until either side ends it.
func (p *Proxy) downstream(c *conn, cut Cut) {
	defer c.end(FIN)
	chunk := make([]byte, chunkBytes)
	text := matcher{text: cut.Behind}
	for {
		n, err := c.hub.Read(chunk)
		pass, due := text.until(chunk[:n], &cut.After)
		c.record(&c.down, chunk[:pass])
		if _, writeErr := c.client.Write(chunk[:pass]); writeErr != nil {
			return
		}
		if due {
			p.cuts.Add(1)
			c.end(cut.Kind)
			return
		}
		if err != nil {
			return
		}
	}
}

// upstream passes on what the client sends until it ends its side. What comes after the hub's side has ended is dropped.
func (c *conn) upstream() {
	// A reader that is gone does not hold its connection to the hub. None of them ends its own half alone.
	defer func() { _, _ = c.hub.Close(), c.client.Close() }()
	chunk := make([]byte, chunkBytes)
	for {
		n, err := c.client.Read(chunk)
		c.record(&c.up, chunk[:n])
		_, _ = c.hub.Write(chunk[:n])
		if err != nil {
			return
		}
	}
}

func (c *conn) record(into *bytes.Buffer, text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	into.Write(text[:min(len(text), recordBytes-into.Len())])
}

// end ends both sides, if they have not ended yet. By FIN the client's socket is closed once the client has ended its own side: a socket that
// is closed before may be reset, and the client would lose what it has not read yet.
func (c *conn) end(kind Kind) {
	if tcp, ok := c.client.(*net.TCPConn); ok && kind == FIN {
		_ = tcp.CloseWrite()
	} else {
		reset(c.client)
	}
	_ = c.hub.Close()
}

// reset closes a connection by RST.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		if err := tcp.SetLinger(0); err != nil && !errors.Is(err, net.ErrClosed) {
			panic(err) // a socket that is open takes it
		}
	}
	_ = c.Close()
}

// matcher finds a text in what is passed on.
type matcher struct {
	text *regexp.Regexp
	tail []byte // the last bytes that were seen, in which the text may begin
}

// until returns how much of a chunk to pass on, and whether the cut is due then. after is counted down.
func (m *matcher) until(chunk []byte, after *int64) (pass int, due bool) {
	if *after > int64(len(chunk)) {
		*after -= int64(len(chunk))
		m.keep(chunk)
		return len(chunk), false
	}
	from := int(*after)
	*after = 0
	if m.text == nil {
		return from, true
	}
	seen := append(m.tail, chunk...)
	for at := 0; ; {
		found := m.text.FindIndex(seen[at:])
		if found == nil {
			break
		}
		if pass := at + found[1] - len(m.tail); pass >= from {
			return pass, true
		}
		at += found[0] + 1
	}
	m.keep(chunk)
	return len(chunk), false
}

func (m *matcher) keep(seen []byte) {
	m.tail = append(m.tail, seen[max(0, len(seen)-tailBytes):]...)
	m.tail = append([]byte(nil), m.tail[max(0, len(m.tail)-tailBytes):]...)
}
