package http1

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// passed is a connection for net/http: what was read of it comes first.
type passed struct {
	*net.TCPConn

	mu    sync.Mutex
	early []byte
	// late is what its client has used up already of the next deadlines, of which so many are meant.
	late      time.Duration
	deadlines int
	// closed is called once.
	closed func()
	// answered is called when a request that came as a whole is being answered, or never will be; nil for all others.
	answered func()
}

// NetConn returns the connection below. What was read of it before is not there any more.
func (p *passed) NetConn() net.Conn {
	p.settle()
	return p.TCPConn
}

// Write implements net.Conn.
func (p *passed) Write(b []byte) (int, error) {
	p.settle()
	return p.TCPConn.Write(b)
}

// ReadFrom implements io.ReaderFrom, as the connection below does.
func (p *passed) ReadFrom(r io.Reader) (int64, error) {
	p.settle()
	return p.TCPConn.ReadFrom(r)
}

// Close implements net.Conn.
func (p *passed) Close() error {
	p.settle()
	defer p.closed()
	return p.TCPConn.Close()
}

func (p *passed) settle() {
	p.mu.Lock()
	settled := p.answered
	p.answered = nil
	p.mu.Unlock()
	if settled != nil {
		settled()
	}
}

func (p *passed) takeEarly(b []byte) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := copy(b, p.early)
	if p.early = p.early[n:]; len(p.early) == 0 {
		p.early = nil
	}
	return n
}

// Read implements net.Conn.
func (p *passed) Read(b []byte) (int, error) {
	if n := p.takeEarly(b); n > 0 {
		return n, nil
	}
	return p.TCPConn.Read(b)
}

// WriteTo implements io.WriterTo, as the connection below does.
func (p *passed) WriteTo(w io.Writer) (int64, error) {
	p.mu.Lock()
	early := p.early
	p.early = nil
	p.mu.Unlock()
	n, err := w.Write(early)
	if err != nil {
		return int64(n), err
	}
	more, err := p.TCPConn.WriteTo(w)
	return int64(n) + more, err
}

// SetReadDeadline shortens the time that a client is given by what it has used up before it was passed on. Times long over only wake
// whoever reads, and no time is no deadline.
func (p *passed) SetReadDeadline(at time.Time) error {
	p.mu.Lock()
	if p.deadlines > 0 && at.After(time.Now()) {
		at = at.Add(-p.late)
		p.deadlines--
	}
	p.mu.Unlock()
	return p.TCPConn.SetReadDeadline(at)
}

// handover is a listener whose connections others have accepted.
type handover struct {
	addr net.Addr

	open atomic.Int64 // connections

	mu      sync.Mutex
	changed sync.Cond // on mu: waiting, open or closed
	waiting []net.Conn
	pending int // requests that are not being answered yet
	closed  bool
}

func newHandover(addr net.Addr) *handover {
	h := &handover{addr: addr}
	h.changed.L = &h.mu
	return h
}

// put never waits. A connection that nobody will take is closed. One whose request has come as a whole is waited for by wait.
func (h *handover) put(c *passed, whole bool) {
	h.open.Add(1)
	c.closed = sync.OnceFunc(func() { h.open.Add(-1) })
	h.mu.Lock()
	if !h.closed {
		if whole {
			h.pending++
			c.answered = h.settle
		}
		h.waiting = append(h.waiting, c)
		c = nil
	}
	h.mu.Unlock()
	h.changed.Broadcast()
	if c != nil {
		_ = c.Close()
	}
}

func (h *handover) settle() {
	h.mu.Lock()
	h.pending--
	h.mu.Unlock()
	h.changed.Broadcast()
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.waiting) == 0 && !h.closed {
		h.changed.Wait()
	}
	if h.closed {
		return nil, net.ErrClosed
	}
	c := h.waiting[0]
	h.waiting[0] = nil
	if h.waiting = h.waiting[1:]; len(h.waiting) == 0 {
		h.waiting = nil
	}
	h.changed.Broadcast()
	return c, nil
}

// wait waits until all have been accepted and those requests are being answered that came as a whole, or until nobody accepts any more or
// ctx is done. A server drops requests that it reads when it ends already.
func (h *handover) wait(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.changed.Broadcast()
	})()
	h.mu.Lock()
	defer h.mu.Unlock()
	for (len(h.waiting) > 0 || h.pending > 0) && !h.closed {
		if err := ctx.Err(); err != nil {
			return err
		}
		h.changed.Wait()
	}
	return nil
}

// Close implements net.Listener.
func (h *handover) Close() error {
	h.mu.Lock()
	left := h.waiting
	h.waiting, h.closed = nil, true
	h.mu.Unlock()
	h.changed.Broadcast()
	for _, c := range left {
		_ = c.Close()
	}
	return nil
}

// Addr implements net.Listener.
func (h *handover) Addr() net.Addr { return h.addr }
