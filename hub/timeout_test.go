package hub_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

func TestSlowClientsHoldNoConnection(t *testing.T) {
	const short = 100 * time.Millisecond
	held := newReferences(t)
	held.putPair(newAuthority(t).issue(2))
	for _, mode := range []struct {
		name   string
		change func(*config.Config)
	}{{"clear text", nil}, {"TLS", encrypted}} {
		t.Run(mode.name, func(t *testing.T) {
			s := startWith(t, hub.Options{References: held.dir}.WithTimeouts(short, short), mode.change)
			at := s.Addrs()
			for name, c := range map[string]struct{ addr, sent string }{
				"subscribe, silent":       {at.Subscribe, ""},
				"subscribe, half headers": {at.Subscribe, "GET /v1/events?topic=orders HTTP/1.1\r\nHost: x\r\n"},
				"subscribe, half hello":   {at.Subscribe, "\x16\x03\x01\x02\x00\x01"},
				"subscribe, half content": {at.Subscribe, "GET /v1/events?topic=orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"},
				"subscribe, half a form":  {at.Subscribe, "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 99\r\n\r\ntopic="},
				"publish, silent":         {at.Publish, ""},
				"publish, half headers":   {at.Publish, "POST /v1/topics/orders HTTP/1.1\r\nHost: x\r\n"},
				"publish, half body":      {at.Publish, "POST /v1/topics/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"},
				"publish, half content":   {at.Publish, "GET /v1/topics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"},
				"admin, silent":           {at.Admin, ""},
				"admin, half headers":     {at.Admin, "GET /status HTTP/1.1\r\nHost: x\r\n"},
				"admin, half body":        {at.Admin, "POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"},
			} {
				r, _ := raw(t, c.addr, c.sent)
				if _, err := io.Copy(io.Discard, r); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: it is still open", name)
				}
			}
		})
	}
	s := startWith(t, hub.Options{}.WithTimeouts(short, short), nil)
	var c *reader
	again(t, func() (err error) {
		c, err = tryOpen(t, http.DefaultTransport, s.url("topic=orders"))
		return err
	})
	c.expect("runnel-open", "live")
	for silent, _ := raw(t, s.Addrs().Subscribe, ""); ; { // as long as another is cut after it
		if _, err := silent.ReadByte(); err != nil {
			break
		}
	}
	again(t, func() error {
		resp, body, err := tryDo("POST", "http://"+s.Addrs().Publish+"/v1/topics/orders", "a stream has no such end")
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%d %s", resp.StatusCode, body)
		}
		return err
	})
	c.expect("", "a stream has no such end")
}

// again sends a request until it succeeds: a hub with short timeouts cuts each client that does not get the processor for so long.
func again(t *testing.T, request func() error) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		err := request()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
