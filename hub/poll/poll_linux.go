package poll

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What a socket is ready for. Closed is always reported, the others when they are asked for.
const (
	// Readable: there are bytes or an end to read, or connections to accept.
	Readable Events = unix.EPOLLIN
	// Writable: there is room to write.
	Writable Events = unix.EPOLLOUT
	// Ended: the other end sends no more.
	Ended Events = unix.EPOLLRDHUP
	// Closed: the connection is gone, in both directions.
	Closed Events = unix.EPOLLHUP | unix.EPOLLERR
)

// batch is how many sockets one call of Wait reports at most: few enough that whoever else waits for the processor gets it soon.
const batch = 128

// Poller is an epoll instance. The runtime's own poller waits for it, so that Wait holds no thread: a thread that sleeps in the kernel
// would give its processor away, and pay for it at each event.
//
// Add, Change and Remove may be called concurrently with Wait and each other, but not with Close or after it.
type Poller struct {
	file   *os.File
	raw    syscall.RawConn
	fd     int
	events [batch]unix.EpollEvent
	// found is what look has found for Wait.
	found  []Ready
	failed error
	look   func(uintptr) bool // made once, since each one takes memory
}

// New returns a poller without sockets.
func New() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // by which os.NewFile knows that it can be polled
		return nil, errors.Join(fmt.Errorf("epoll: %w", err), unix.Close(fd))
	}
	p := &Poller{file: os.NewFile(uintptr(fd), "epoll"), fd: fd}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	p.look = func(uintptr) bool {
		p.found, p.failed = p.Poll(p.found)
		return p.failed != nil || len(p.found) > 0
	}
	return p, nil
}

// Close ends a Wait with os.ErrClosed. The sockets stay open.
func (p *Poller) Close() error { return p.file.Close() }

// Add begins to watch a socket. What is asked for is reported as long as it holds.
func (p *Poller) Add(fd int, interest Events, token Token) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, interest, token)
}

// Change replaces what a socket is watched for.
func (p *Poller) Change(fd int, interest Events, token Token) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, interest, token)
}

// Remove ends watching a socket. A closed socket that nobody else holds open need not be removed.
func (p *Poller) Remove(fd int) error { return p.control(unix.EPOLL_CTL_DEL, fd, 0, 0) }

func (p *Poller) control(op, fd int, interest Events, token Token) error {
	e := unix.EpollEvent{Events: uint32(interest), Fd: int32(token), Pad: int32(token >> 32)}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	return nil
}

// SetDeadline ends a Wait that is under way at a time, and all that follow, with os.ErrDeadlineExceeded. The zero time is none. It may be
// called at any time, so that a time that is over wakes whoever waits.
func (p *Poller) SetDeadline(at time.Time) error { return p.file.SetReadDeadline(at) }

// Wait appends the sockets that are ready to a slice that is empty, as soon as there is one. It is called by one goroutine at a time.
func (p *Poller) Wait(into []Ready) ([]Ready, error) {
	p.found, p.failed = into, nil
	err := p.raw.Read(p.look)
	into, p.found = p.found, nil
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return into, os.ErrDeadlineExceeded
	case err != nil:
		return into, os.ErrClosed // the only other reason, and the runtime's own error is not for others
	}
	return into, p.failed
}

// Poll appends the sockets that are ready now, if any. It is called by one goroutine at a time, and not while another waits.
func (p *Poller) Poll(into []Ready) ([]Ready, error) {
	n, err := unix.EpollWait(p.fd, p.events[:], 0)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return into, os.NewSyscallError("epoll_wait", err)
	}
	for i := range max(n, 0) {
		e := &p.events[i]
		into = append(into, Ready{Token(uint32(e.Fd)) | Token(uint32(e.Pad))<<32, Events(e.Events)})
	}
	return into, nil
}

// Read reads from a socket that does not block. It fails with ErrAgain when there is nothing now; 0 bytes without an error are the end.
//
// It, and Write, keep the processor during the call, since one that cannot block is over in microseconds.
func Read(fd int, b []byte) (int, error) { return transfer(syscall.SYS_READ, fd, b) }

// Write writes to a socket that does not block, as much as it takes. It fails with ErrAgain when that is nothing.
func Write(fd int, b []byte) (int, error) { return transfer(syscall.SYS_WRITE, fd, b) }

func transfer(call uintptr, fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, ErrAgain
		default:
			return 0, errno
		}
	}
}

// Accept takes the next connection of a listening socket that does not block; it does not block either. It fails with ErrAgain when
// there is none.
func Accept(listener int) (fd int, err error) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return -1, ErrAgain
		default:
			return -1, os.NewSyscallError("accept4", errno)
		}
	}
}

// Detach takes a connection's socket out of the runtime's hands: the caller must Close it by CloseSocket, and the connection is closed
// without the other end noticing.
func Detach(c syscall.Conn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var failed error
	if err := raw.Control(func(s uintptr) { fd, failed = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return -1, err
	}
	if failed != nil {
		return -1, os.NewSyscallError("fcntl", failed)
	}
	return fd, nil
}

// EndWriting tells the other end that nothing follows.
func EndWriting(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }

// CloseSocket closes a socket.
func CloseSocket(fd int) error { return unix.Close(fd) }
