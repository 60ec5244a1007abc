package hub_test

import (
	"context"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/runnel-dev/runnel/hub"
)

func TestConnectionsThatAcknowledgeNothingEnd(t *testing.T) {
	h, err := hub.New(hub.Options{Config: base(), SubscribeAddr: "127.0.0.1:0", PublishAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", StallTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range h.Listeners() {
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := accepted.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) {
			for name, o := range map[string]struct{ option, want int }{
				"the stall timeout and a probe, in ms": {unix.TCP_USER_TIMEOUT, 35_000},
				"until it is probed, in s":             {unix.TCP_KEEPIDLE, 15},
				"what waits to be sent, in bytes":      {unix.TCP_NOTSENT_LOWAT, 128 << 10},
			} {
				if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, o.option); err != nil || got != o.want {
					t.Errorf("%s: %d, %v, want %d", name, got, err, o.want)
				}
			}
		}); err != nil {
			t.Error(err)
		}
		_, _ = client.Close(), accepted.Close()
	}
	ended, end := context.WithCancel(context.Background())
	end()
	if err := h.Run(ended); err != nil { // which closes what New opened
		t.Error(err)
	}
}
