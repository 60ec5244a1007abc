package hub

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// limitSilence sets how long what is sent may stay unacknowledged (RFC 5482), for all connections that a socket accepts. A kernel of
// another make may not know the option, and decides itself.
func limitSilence(fd uintptr, limit time.Duration) error {
	err := unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds()))
	if errors.Is(err, unix.ENOPROTOOPT) {
		return nil
	}
	return err
}
