package http1

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/runnel-dev/runnel/hub/poll"
)

// prepare sets on a listening socket what all connections inherit that it accepts. They inherit whatever else it has, too.
func prepare(listener int, keep net.KeepAliveConfig) error {
	options := []struct{ level, name, value int }{{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1}}
	if keep.Enable {
		options = append(options, []struct{ level, name, value int }{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds(keep.Idle)},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds(keep.Interval)},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keep.Count},
		}...)
	}
	for _, o := range options {
		if o.value <= 0 {
			continue
		}
		if err := unix.SetsockoptInt(listener, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("cannot set an option of the listening socket: %w", os.NewSyscallError("setsockopt", err))
		}
	}
	return nil
}

// seconds rounds up.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// lost says that an accept has failed for one connection alone: it was gone before it was accepted, or its network was. Linux hands on
// errors of the network (accept(2)).
func lost(err error) bool {
	return slices.ContainsFunc([]error{
		unix.ECONNABORTED, unix.EPROTO, unix.ENETDOWN, unix.ENOPROTOOPT, unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH, unix.EOPNOTSUPP, unix.ENETUNREACH, unix.EPERM,
	}, func(e error) bool { return errors.Is(err, e) })
}

// connection makes a connection of Go's of a socket, which belongs to it from then on, or is closed when that fails. Go makes another
// descriptor of it, so it takes two for a moment.
func connection(fd int, keep net.KeepAliveConfig) (*net.TCPConn, error) {
	file := os.NewFile(uintptr(fd), "tcp")
	c, err := net.FileConn(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a %T is no TCP connection", c), c.Close())
	}
	if keep.Enable { // Go has set its own
		_ = tcp.SetKeepAliveConfig(keep)
	}
	return tcp, nil
}

// remote is the address of the other end, empty when it is gone.
func remote(fd int) string {
	address, err := unix.Getpeername(fd)
	if err != nil {
		return ""
	}
	switch a := address.(type) {
	case *unix.SockaddrInet4:
		return (&net.TCPAddr{IP: a.Addr[:], Port: a.Port}).String()
	case *unix.SockaddrInet6:
		zone := ""
		if a.ZoneId != 0 {
			if i, err := net.InterfaceByIndex(int(a.ZoneId)); err == nil {
				zone = i.Name
			}
		}
		return (&net.TCPAddr{IP: a.Addr[:], Port: a.Port, Zone: zone}).String()
	}
	return ""
}

// send writes as much as the socket takes, which may be nothing.
func send(fd int, b []byte) (n int, err error) {
	if n, err = poll.Write(fd, b); errors.Is(err, poll.ErrAgain) {
		return 0, nil
	}
	return n, err
}
