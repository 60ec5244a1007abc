package hub

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/runnel-dev/runnel/hub/fanout"
)

// conversations are the connections of HTTP/1 that are served by goroutines, without net/http: those with encryption, and all of them on
// the portable path. One goroutine writes, and one waits for the client's end; net/http would keep four buffers and a deep stack besides.
// The zero conversations are ready.
type conversations struct {
	work sync.WaitGroup // of open
	mu   sync.Mutex
	open map[net.Conn]struct{}
	over bool
}

// converse gives a reader's connection to goroutines of its own, if it is of HTTP/1. The reader's owner knows from then on when it leaves.
func (h *Hub) converse(w http.ResponseWriter, r *http.Request, q query) bool {
	if r.ProtoMajor != 1 || r.Method == http.MethodHead {
		return false
	}
	if _, byFront := w.(*direct); byFront {
		return false
	}
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	q.begin.Chunked = r.ProtoAtLeast(1, 1)
	q.begin.Head = head(w.Header(), q.begin.Chunked)
	if !h.conversations.begin(connection) {
		q.asked.Owner.Left(fanout.ReasonDrain)
		return true
	}
	owner := q.asked.Owner
	reader := h.pool.Begin(&conn{connection, h.stall}, q.asked, q.begin)
	go func() {
		owner.Left(talk(connection, reader))
		h.conversations.end(connection)
	}()
	return true
}

// talk serves a reader until either side ends it.
func talk(c net.Conn, reader *fanout.Served) fanout.Reason {
	ctx, cancel := context.WithCancel(context.Background())
	var listening sync.WaitGroup
	listening.Go(func() {
		defer cancel()
		listen(c)
	})
	reason := reader.Run(ctx)
	_ = c.SetWriteDeadline(time.Now().Add(fanout.Lingering)) // encryption has its own end to write
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = c.SetReadDeadline(time.Now().Add(fanout.Lingering))
	listening.Wait()
	return reason
}

// listen waits until a client sends no more, or far too much.
func listen(c net.Conn) {
	var room [64]byte
	for n := 0; n <= fanout.MaxInput; {
		read, err := c.Read(room[:])
		if err != nil {
			return
		}
		n += read
	}
}

func (c *conversations) begin(connection net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		_ = connection.Close()
		return false
	}
	if c.open == nil {
		c.open = map[net.Conn]struct{}{}
	}
	c.open[connection] = struct{}{}
	c.work.Add(1)
	return true
}

func (c *conversations) end(connection net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, connection)
	_ = connection.Close()
	c.work.Done()
}

// close cuts those that are left, and waits for their goroutines.
func (c *conversations) close() {
	c.mu.Lock()
	c.over = true
	for connection := range c.open {
		_ = connection.Close()
	}
	c.mu.Unlock()
	c.work.Wait()
}

// conn is a Sink that writes to a connection.
type conn struct {
	net.Conn
	stall time.Duration
}

// Write implements fanout.Sink. Each piece has the whole time, so that a slow connection gets through large events.
func (c *conn) Write(text []byte) error {
	for piece := range slices.Chunk(text, fanout.PieceBytes) {
		if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
			return err
		}
		if _, err := c.Conn.Write(piece); errors.Is(err, os.ErrDeadlineExceeded) {
			return fanout.ErrStuck
		} else if err != nil {
			return err
		}
	}
	return nil
}
