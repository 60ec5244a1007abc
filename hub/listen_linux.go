package hub

import (
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limitSilence sets how long what is sent may stay unacknowledged (RFC 5482), for all connections that a socket accepts. A kernel of
// another make may not know the option, and decides itself.
func limitSilence(fd uintptr, limit time.Duration) error {
	return set(fd, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds()))
}

// limitUnsent sets how many bytes the kernel takes before it can send them, for all connections that a socket accepts. What a slow reader
// has to wait for belongs in the rings, which all share, and not into megabytes of buffer for each.
func limitUnsent(fd uintptr, bytes int) error { return set(fd, unix.TCP_NOTSENT_LOWAT, bytes) }

// queued returns how many connections wait to be accepted, as far as the kernel tells.
func queued(listener net.Listener) (n int) {
	l, ok := listener.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := l.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = int(info.Unacked) // which is the queue of a socket that listens
		}
	})
	return n
}

func set(fd uintptr, option, value int) error {
	err := unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, option, value)
	if errors.Is(err, unix.ENOPROTOOPT) {
		return nil
	}
	return err
}
