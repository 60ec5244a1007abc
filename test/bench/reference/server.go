//go:build linux

package reference

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// backlog of connections that are not accepted yet: what the system allows by default.
	backlog = 4096
	// wakeUps are taken from the kernel at a time.
	wakeUps = 256
	// readBytes bounds a request.
	readBytes = 1 << 20
	// fullPatience is how often it is looked anew whether a full connection takes something, in milliseconds.
	fullPatience = 1000
)

// Server is a running reference.
type Server struct {
	addr     netip.AddrPort
	batch    bool
	listener int
	epoll    int
	stop     int // an eventfd
	done     chan error

	// What follows is the loop's own.
	answers answers
	topics  map[string]*readers
	clients []client // by file descriptor
	buffer  []byte
	chunk   []byte
	dirty   []*readers // with pending events
	owed    []int32    // publishers that are answered after the round
}

// answers as bytes.
type answers struct{ opening, accepted []byte }

// readers of a topic.
type readers struct {
	fds     []int32
	pending []byte
}

// client is a connection.
type client struct {
	open    bool
	place   int32    // in the topic's list
	topic   *readers // nil until it reads
	partial []byte   // of a request
}

// Listen starts a reference. It is stopped by Close.
func Listen(o Options) (*Server, error) {
	addr, err := netip.ParseAddrPort(o.Addr)
	if err != nil || !addr.Addr().Is4() {
		return nil, fmt.Errorf("%q is no IPv4 address and port: write one such as 127.0.0.1:0", o.Addr)
	}
	s := &Server{
		batch: o.Batch, listener: -1, epoll: -1, stop: -1, done: make(chan error, 1), topics: map[string]*readers{}, buffer: make([]byte, readBytes),
		answers: answers{[]byte(opening), []byte(accepted)},
	}
	if err := s.listen(addr); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", o.Addr, err), s.release())
	}
	go func() { s.done <- s.run() }()
	return s, nil
}

// Addr is where it listens, host:port.
func (s *Server) Addr() string { return s.addr.String() }

// Close ends all connections and waits for the loop.
func (s *Server) Close() error {
	one := [8]byte{1}
	_, err := unix.Write(s.stop, one[:])
	return errors.Join(err, <-s.done, s.release())
}

func (s *Server) listen(addr netip.AddrPort) (err error) {
	if s.listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	if err := unix.Bind(s.listener, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		return err
	}
	if err := unix.Listen(s.listener, backlog); err != nil {
		return err
	}
	bound, err := unix.Getsockname(s.listener)
	if err != nil {
		return err
	}
	s.addr = netip.AddrPortFrom(addr.Addr(), uint16(bound.(*unix.SockaddrInet4).Port))
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if s.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		return err
	}
	return errors.Join(s.watch(s.listener), s.watch(s.stop))
}

func (s *Server) release() error {
	var errs []error
	for fd := range s.clients {
		if s.clients[fd].open {
			errs = append(errs, unix.Close(fd))
		}
	}
	for _, fd := range []int{s.listener, s.epoll, s.stop} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	return errors.Join(errs...)
}

func (s *Server) watch(fd int) error {
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(fd)})
}

func (s *Server) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	wakes := make([]unix.EpollEvent, wakeUps)
	for {
		n, err := unix.EpollWait(s.epoll, wakes, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for _, w := range wakes[:max(n, 0)] {
			switch int(w.Fd) {
			case s.stop:
				return nil
			case s.listener:
				s.accept()
			default:
				s.read(w.Fd)
			}
		}
		s.flush()
	}
}

func (s *Server) accept() {
	for {
		fd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(s.listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if errno != 0 {
			return // none, or one that is gone again
		}
		if errors.Join(unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), s.watch(int(fd))) != nil {
			_ = unix.Close(int(fd))
			continue
		}
		for len(s.clients) <= int(fd) {
			s.clients = append(s.clients, client{})
		}
		s.clients[fd] = client{open: true}
	}
}

// read takes what a client sent.
func (s *Server) read(fd int32) {
	c := &s.clients[fd]
	have := copy(s.buffer, c.partial)
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&s.buffer[have])), uintptr(len(s.buffer)-have))
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return
	case errno != 0 || n == 0: // it is gone, or its request is too long
		s.drop(fd)
		return
	}
	b := s.buffer[:have+int(n)]
	for len(b) > 0 {
		r, rest, whole := readRequest(b)
		if !whole {
			break
		}
		if b = rest; r.publish {
			s.publish(fd, r)
		} else {
			s.subscribe(fd, r)
		}
	}
	c.partial = append(c.partial[:0], b...)
}

func (s *Server) subscribe(fd int32, r request) {
	t := s.topics[string(r.topic)]
	if t == nil {
		t = &readers{}
		s.topics[string(r.topic)] = t
	}
	if c := &s.clients[fd]; c.topic == nil {
		c.topic, c.place = t, int32(len(t.fds))
		t.fds = append(t.fds, fd)
	}
	write(fd, s.answers.opening)
}

func (s *Server) publish(fd int32, r request) {
	t := s.topics[string(r.topic)]
	if t == nil {
		t = &readers{}
		s.topics[string(r.topic)] = t
	}
	if s.batch {
		if len(t.pending) == 0 {
			s.dirty = append(s.dirty, t)
		}
		t.pending = appendChunk(t.pending, r.body)
		s.owed = append(s.owed, fd)
		return
	}
	s.chunk = appendChunk(s.chunk[:0], r.body)
	for _, reader := range t.fds {
		write(reader, s.chunk)
	}
	write(fd, s.answers.accepted)
}

// flush sends what a round has gathered.
func (s *Server) flush() {
	for _, t := range s.dirty {
		for _, reader := range t.fds {
			write(reader, t.pending)
		}
		t.pending = t.pending[:0]
	}
	for _, fd := range s.owed {
		write(fd, s.answers.accepted)
	}
	s.dirty, s.owed = s.dirty[:0], s.owed[:0]
}

// drop forgets a client that is gone.
func (s *Server) drop(fd int32) {
	c := &s.clients[fd]
	if t := c.topic; t != nil {
		last := t.fds[len(t.fds)-1]
		t.fds[c.place], s.clients[last].place = last, c.place
		t.fds = t.fds[:len(t.fds)-1]
	}
	*c = client{}
	_ = unix.Close(int(fd)) // and with it its place in epoll
}

// write waits until a client has taken all. One that is gone is dropped when epoll tells.
func write(fd int32, b []byte) {
	for len(b) > 0 {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			b = b[n:]
		case unix.EAGAIN:
			_, _ = unix.Poll([]unix.PollFd{{Fd: fd, Events: unix.POLLOUT}}, fullPatience)
		case unix.EINTR:
		default:
			return
		}
	}
}
