package hub

import (
	"bytes"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/runnel-dev/runnel/hub/poll"
)

// attach gives a reader's connection to the fan-out, when it is one that a shard can write to: of plain HTTP/1. What the client sent
// after its request is thrown away. The reader's owner knows from then on when it leaves.
func (h *Hub) attach(w http.ResponseWriter, r *http.Request, q query) bool {
	if h.portable || !h.pool.HasSockets() || r.ProtoMajor != 1 || r.TLS != nil || r.Method == http.MethodHead || q.asked.Flush > 0 {
		return false
	}
	socket, ok := takeSocket(w, r)
	if !ok {
		return false
	}
	q.begin.Chunked = r.ProtoAtLeast(1, 1)
	q.begin.Head = head(w.Header(), q.begin.Chunked)
	h.pool.Attach(socket, q.asked, q.begin)
	return true
}

// takeSocket takes a request's socket out of the hands of who read it.
func takeSocket(w http.ResponseWriter, r *http.Request) (fd int, ok bool) {
	if front, byFront := w.(*direct); byFront {
		fd, front.taken = front.take()
		return fd, front.taken
	}
	fd, err := detach(r.Context().Value(connectionKey{}).(net.Conn))
	if err != nil { // there is no other descriptor
		return -1, false
	}
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = poll.CloseSocket(fd)
		return -1, false
	}
	_ = connection.Close() // a detached socket stays open
	return fd, true
}

// connectionKey is of a request's connection in its context.
type connectionKey struct{}

// detach returns the socket of a connection that may stand before another one.
func detach(c net.Conn) (fd int, err error) {
	for {
		switch inner := c.(type) {
		case syscall.Conn:
			return poll.Detach(inner)
		case interface{ NetConn() net.Conn }:
			c = inner.NetConn()
		default:
			return -1, net.ErrClosed
		}
	}
}

// head is the head of a response whose body follows in chunks (RFC 9112, section 7.1), or to an HTTP/1.0 client as it is.
func head(header http.Header, chunked bool) []byte {
	const room = 512 // for most
	b := bytes.NewBuffer(make([]byte, 0, room))
	if chunked {
		b.WriteString("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n")
	} else {
		b.WriteString("HTTP/1.0 200 OK\r\n")
	}
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	_ = header.Write(b) // a buffer takes everything
	b.WriteString("\r\n")
	return b.Bytes()
}
