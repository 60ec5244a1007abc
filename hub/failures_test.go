package hub_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

func TestAPanicIsLoggedAndCounted(t *testing.T) {
	log := &lockedBuffer{}
	var broken atomic.Bool
	o := hub.Options{Logger: slog.New(slog.NewTextHandler(log, nil))}.WithClock(func() time.Time {
		if broken.Load() {
			panic("this is expected")
		}
		return time.Now()
	})
	s := startJWTWith(t, o, nil)
	clear := &http.Protocols{}
	clear.SetUnencryptedHTTP2(true)
	via := &http.Transport{Protocols: clear}
	t.Cleanup(via.CloseIdleConnections)
	const each = 20
	broken.Store(true)
	for range each {
		answer, _ := raw(t, s.Addrs().Subscribe, "GET /v1/events?topic=orders HTTP/1.1\r\nHost: hub\r\n\r\n")
		if b, err := io.ReadAll(answer); err != nil || len(b) > 0 {
			t.Errorf("%q, %v, want the end of the connection", b, err)
		}
		r, err := http.NewRequest("GET", s.url("topic=orders"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := via.RoundTrip(r); err == nil {
			t.Errorf("%s in place of the end of the stream", resp.Status)
			_ = resp.Body.Close()
		}
	}
	broken.Store(false)
	if resp, _ := do(t, "GET", s.url("topic=orders"), ""); resp.StatusCode != 401 {
		t.Errorf("others are not served: %s", resp.Status)
	}
	if want := fmt.Sprintf("\nrunnel_hub_panics_total %d\n", 2*each); !strings.Contains(metrics(t, s), want) {
		t.Errorf("the metrics have no %s", want)
	}
	log.wait(t, `level=ERROR msg="a request's handler panicked, and its connection ended" count=`)
	for _, want := range []string{`panic="this is expected"`, "hub.(*Hub).serveSubscribe"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s: %s", want, log.String())
		}
	}
	if n := strings.Count(log.String(), "this is expected"); n > each {
		t.Errorf("the log has %d lines for %d panics", n, 2*each)
	}
}

func TestSubscribersThatAreTurnedAwayAreLogged(t *testing.T) {
	log := &lockedBuffer{}
	s := startWith(t, hub.Options{Logger: slog.New(slog.NewTextHandler(log, nil))}, func(c *config.Config) { c.Limits.ConnectionsPerHub = 1 })
	s.read("topic=orders").expect("runnel-open", "live")
	for range 20 {
		c := s.read("topic=orders")
		c.expect("runnel-close", "overloaded")
		c.ends()
	}
	log.wait(t, `level=WARN msg="subscribers were told to come back later" count=`)
	s.end() // which says the rest
	count := 0
	for _, line := range strings.Split(log.String(), "\n") {
		var n int
		if _, counts, ok := strings.Cut(line, "reasons.connections="); ok {
			if _, err := fmt.Sscan(counts, &n); err != nil {
				t.Error(line, err)
			}
			count += n
		}
	}
	if count != 20 {
		t.Errorf("%d are counted, want 20: %s", count, log.String())
	}
}
