//go:build linux

package load

import (
	"bytes"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// phase of a connection.
type phase uint8

const (
	connecting phase = iota
	answering        // the request is sent
	streaming
	over
)

// connection of one reader. There may be very many: it holds no pointer but one that is nil once it is answered.
type connection struct {
	fd      int32
	phase   phase
	chunked bool
	chunks  chunks
	scanner scanner
	head    *[]byte // of the answer, when it came in pieces
}

const (
	// maxHead bounds the head of an answer.
	maxHead = 64 << 10
)

// open begins a connection.
func (r *Readers) open(i int) error {
	c := &r.conns[i]
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EMFILE) {
		return fmt.Errorf("socket: %w: raise RLIMIT_NOFILE, or connect fewer", err)
	}
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	c.fd = int32(fd)
	if err := r.prepare(fd, i); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	if err := unix.Connect(fd, &r.addr); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return errors.Join(fmt.Errorf("connect: %w", err), unix.Close(fd))
	}
	// Asked for once: an edge of EPOLLOUT comes again only after a send that found no room, and the request always has some.
	wake := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(i)}
	if err := unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, fd, &wake); err != nil {
		return errors.Join(fmt.Errorf("epoll_ctl: %w", err), unix.Close(fd))
	}
	return nil
}

// prepare gives a socket its own address and buffer.
func (r *Readers) prepare(fd, i int) error {
	if s := r.o.Slow; s != nil && s.Window > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, s.Window); err != nil {
			return fmt.Errorf("SO_RCVBUF: %w", err)
		}
	}
	const loopback = 127
	if r.addr.Addr[0] != loopback {
		return nil
	}
	n := 2 + i/r.o.PerAddress
	source := unix.SockaddrInet4{Addr: [4]byte{loopback, 0, byte(n >> 8), byte(n)}}
	// The port is chosen by connect, which knows that the same one may go to two servers.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return fmt.Errorf("IP_BIND_ADDRESS_NO_PORT: %w", err)
	}
	if err := unix.Bind(fd, &source); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// woken does what a connection's wake-up calls for.
func (r *Readers) woken(w unix.EpollEvent) error {
	c := &r.conns[w.Fd]
	if c.phase == over {
		return nil
	}
	if c.phase == connecting {
		if err := r.ask(c, w); err != nil || c.phase == connecting {
			return err
		}
	}
	if w.Events&^unix.EPOLLOUT == 0 {
		return nil
	}
	return r.read(w.Fd, r.buffer, w.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0)
}

// ask sends the request, once connected.
func (r *Readers) ask(c *connection, w unix.EpollEvent) error {
	if w.Events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
		return nil
	}
	failed, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && failed != 0 {
		err = unix.Errno(failed)
	}
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	request := r.requests[int(w.Fd)%r.o.Topics]
	n, errno := send(c.fd, request)
	if errno != 0 {
		return fmt.Errorf("send: %w", errno)
	}
	if n < len(request) {
		return fmt.Errorf("a new socket took %d of a request's %d bytes: send a shorter header", n, len(request))
	}
	c.phase = answering
	return nil
}

// read takes what a connection has. A read that does not fill the buffer has taken all, unless there is an end behind it.
func (r *Readers) read(i int32, buffer []byte, ending bool) error {
	c := &r.conns[i]
	for c.phase != over {
		n, errno := receive(c.fd, buffer)
		switch {
		case errno == unix.EAGAIN:
			return nil
		case errno == unix.EINTR:
			continue
		case errno != 0 || n == 0:
			return r.cut(i, errno)
		}
		r.arrived(n)
		if err := r.take(i, buffer[:n]); err != nil {
			return err
		}
		if n < len(buffer) && !ending || r.o.Slow != nil {
			return nil
		}
	}
	return nil
}

// take reads a piece of an answer.
func (r *Readers) take(i int32, b []byte) (err error) {
	c := &r.conns[i]
	if c.phase == answering {
		if b, err = r.answered(c, b); err != nil || c.phase == answering {
			return err
		}
		r.ready.Add(1)
		if r.o.Slow != nil {
			r.paced = append(r.paced, i)
			if err := unix.EpollCtl(r.epoll, unix.EPOLL_CTL_DEL, int(c.fd), nil); err != nil {
				return fmt.Errorf("epoll_ctl: %w", err)
			}
		}
	}
	for len(b) > 0 {
		data := b
		if b = nil; c.chunked {
			if data, b, err = c.chunks.next(data); err != nil {
				return err
			}
			if c.chunks.part == chunkOver { // the server would keep the connection for another request
				return r.cut(i, 0)
			}
		}
		for m, rest, found := c.scanner.next(data); found; m, rest, found = c.scanner.next(rest) {
			r.delivered(int(i), m)
		}
	}
	return nil
}

var headEnd = []byte("\r\n\r\n")

// answered reads the answer's head and returns what follows it.
func (r *Readers) answered(c *connection, b []byte) (body []byte, err error) {
	if c.head != nil {
		b = append(*c.head, b...)
	}
	end := bytes.Index(b, headEnd)
	if end < 0 {
		if len(b) > maxHead {
			return nil, fmt.Errorf("the answer's head is longer than %d bytes", maxHead)
		}
		kept := bytes.Clone(b)
		c.head = &kept
		return nil, nil
	}
	c.head = nil
	if !bytes.HasPrefix(b, []byte("HTTP/1.1 200 ")) {
		return nil, fmt.Errorf("the answer is no stream: %.*q", shown, b)
	}
	c.phase, c.chunked = streaming, hasChunks(b[:end])
	return b[end+len(headEnd):], nil
}

// cut is what a connection comes to when the server ends it.
func (r *Readers) cut(i int32, errno unix.Errno) error {
	c := &r.conns[i]
	if c.phase == answering {
		return errors.Join(errors.New("the connection ended before it was answered"), nonzero(errno))
	}
	r.ended++
	r.lost += r.outstanding(int(i))
	c.phase = over
	return unix.Close(int(c.fd))
}

func (c *connection) close() error {
	if c.phase == over {
		return nil
	}
	c.phase = over
	reset := unix.Linger{Onoff: 1}
	return errors.Join(unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &reset), unix.Close(int(c.fd)))
}

func nonzero(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// receive reads from a non-blocking socket, without telling the scheduler: it returns at once.
func receive(fd int32, into []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&into[0])), uintptr(len(into)))
	return int(n), errno
}

// send writes to a non-blocking socket; a connection that is gone raises no signal.
func send(fd int32, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}
