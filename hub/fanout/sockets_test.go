package fanout

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/poll"
)

// sockets are the two ends of a connection, the first for the pool, the second to be closed.
func sockets(t testing.TB) (fd int, client *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if fd, err = poll.Detach(server.(*net.TCPConn)); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	return fd, c.(*net.TCPConn)
}

// readChunks takes a body in chunks until it ends, and closes the connection then.
func (r *recorder) readChunks(t testing.TB, from net.Conn) {
	readChunks(t, from, func(chunk []byte) { _ = r.Write(chunk) })
}

// readChunks takes a body in chunks until it ends, and closes the connection then. A body that does not end by its last chunk is an error.
func readChunks(t testing.TB, from net.Conn, take func(chunk []byte)) {
	defer func() { _ = from.Close() }()
	in := bufio.NewReader(from)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("between two chunks: %q, %v", line, err)
			}
			return
		}
		size, err := strconv.ParseInt(strings.TrimSuffix(line, "\r\n"), 16, 32)
		if err != nil {
			t.Errorf("chunk header %q: %v", line, err)
			return
		}
		chunk := make([]byte, size+2)
		if _, err := io.ReadFull(in, chunk); err != nil || string(chunk[size:]) != "\r\n" {
			t.Errorf("in a chunk of %d: %v", size, err)
			return
		}
		if size == 0 {
			if n, err := in.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("after the last chunk: %d bytes, %v", n, err)
			}
			return
		}
		take(chunk[:size])
	}
}

// attachedOwner tells when its reader has left.
type attachedOwner struct {
	Owner
	left func()
}

func (o attachedOwner) Granted() bool { return o.Owner == nil || o.Owner.Granted() }
func (o attachedOwner) Left(Reason)   { o.left() }
