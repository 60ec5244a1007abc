package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

func TestTooManyConnectionsAreRefusedSoftly(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Limits.ConnectionsPerHub = 1 })
	first := s.read("topic=orders")
	first.expect("runnel-open", "live")
	cursor := s.publish("orders", "1")
	s.publish("orders", "2")
	second := s.read("topic=orders", "Last-Event-ID", cursor)
	if e := second.expect("runnel-close", `"reason":"overloaded","reconnect":true`); e.retry == "" || e.id != "" || second.resp.StatusCode != 200 {
		t.Errorf("%d %+v", second.resp.StatusCode, e)
	}
	second.ends()
	if _, body := do(t, "GET", s.url("topic=orders&control=off"), ""); !regexp.MustCompile(`^retry: [1-9]\d*\n$`).MatchString(body) {
		t.Errorf("quiet: %q", body) // a blank line would end a block without data
	}
	first.close()
	for { // the place is free as soon as the hub sees the end
		third := s.read("topic=orders", "Last-Event-ID", cursor)
		if e, _ := third.next(); e.typ == "runnel-open" {
			third.expect("", "2") // the refusal has not moved the cursor
			return
		}
	}
}

func TestDrain(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Drain.Window = config.Duration(300 * time.Millisecond) })
	var readers []*reader
	for range 10 {
		readers = append(readers, s.read("topic=orders"))
		readers[len(readers)-1].expect("runnel-open", "live")
	}
	s.stop()
	if got := slices.DeleteFunc(readers, func(c *reader) bool { c.expect("runnel-close", `"drain"`); c.ends(); return true }); len(got) > 0 {
		t.Errorf("%d readers are left", len(got))
	}
	s.end()
}

func TestNewcomersInADrainAreRefusedSoftly(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Drain.Window = config.Duration(10 * time.Minute) }) // the first is closed at once, the second after half of it
	early, late := s.read("topic=orders"), s.read("topic=orders")
	early.expect("runnel-open", "live")
	late.expect("runnel-open", "live")
	s.stop()
	var e sse
	select {
	case e = <-early.events:
	case e = <-late.events:
		late = early
	}
	if e.typ != "runnel-close" {
		t.Errorf("%+v", e)
	}
	if resp, body := do(t, "GET", "http://"+s.Addrs().Admin+"/readyz", ""); resp.StatusCode != 503 || body != "draining\n" {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	c := s.read("topic=orders")
	c.expect("runnel-close", "overloaded")
	c.ends()
	s.publish("orders", "still taken")
	late.expect("", "still taken")
	late.close()
	s.end()
}

func TestAPortThatWaitsKeepsNoOtherOpen(t *testing.T) {
	s := start(t, nil)
	head := "POST /v1/topics/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
	if portable {
		head += "Expect: 100-continue\r\n"
	}
	whole := head + "\r\nhalf"
	answers, publisher := raw(t, s.Addrs().Publish, whole[:len(whole)-1])
	if portable { // net/http drops a request that it reads after the end has begun
		if resp, err := http.ReadResponse(answers, nil); err != nil || resp.StatusCode != http.StatusContinue {
			t.Fatal(resp, err)
		}
	}
	for _, addr := range []string{s.Addrs().Publish, s.Addrs().Subscribe, s.Addrs().Admin} { // so the publisher was accepted before the end
		do(t, "GET", "http://"+addr+"/", "")
	}
	s.stop()
	for _, addr := range []string{s.Addrs().Subscribe, s.Addrs().Admin} {
		for c, err := net.Dial("tcp", addr); err == nil; c, err = net.Dial("tcp", addr) {
			_ = c.Close()
		}
	}
	if _, err := publisher.Write([]byte(whole[len(whole)-1:])); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(answers, nil); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the publisher is not waited for: %v, %v", resp, err)
	}
	s.end()
}

func TestStuckReaderIsCut(t *testing.T) {
	// A socket takes a whole event at once, so that no reader which has the ones before is ever waited for.
	const size = 32 << 10
	log := &lockedBuffer{}
	s := startWith(t, hub.Options{StallTimeout: 200 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(log, nil))}, func(c *config.Config) { c.Limits.MaxEventSize = size })
	_, conn := raw(t, s.Addrs().Subscribe, "GET /v1/events?topic=orders HTTP/1.1\r\nHost: x\r\n\r\n")
	defer func() { _ = conn.Close() }()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	fast := s.read("topic=orders")
	fast.expect("runnel-open", "live")
	big := strings.Repeat("x", size)
	for end := time.Now().Add(patience); !strings.Contains(metrics(t, s), `runnel_hub_connections_ended_total{reason="slow_consumer"} 1`); {
		if time.Now().After(end) {
			t.Fatal("the stuck reader is not cut")
		}
		s.publish("orders", big)
		fast.expect("", "xxx")
	}
	s.publish("orders", "goes on")
	fast.expect("", "goes on")
	log.wait(t, `level=WARN msg="subscribers were cut since they read too slowly" count=1`)
}

func TestAPublisherThatReadsNoAnswersIsCut(t *testing.T) {
	s := startWith(t, hub.Options{StallTimeout: 300 * time.Millisecond}, nil)
	c, err := net.Dial("tcp", s.Addrs().Publish)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := errors.Join(c.(*net.TCPConn).SetReadBuffer(4<<10), c.SetWriteDeadline(time.Now().Add(patience))); err != nil {
		t.Fatal(err)
	}
	lines := strings.Repeat("{}\n", 1000)
	for err == nil {
		_, err = fmt.Fprintf(c, "POST /v1/publish HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", linesType, len(lines), lines)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the hub waits for it")
	}
}

// deaf is a connection whose client can stop reading.
type deaf struct {
	net.Conn
	stop chan struct{} // closed to stop
	end  chan struct{} // closed to let the client's goroutine end
}

func (d *deaf) Read(b []byte) (int, error) {
	select {
	case <-d.stop:
		<-d.end
		return 0, net.ErrClosed
	default:
		return d.Conn.Read(b)
	}
}

func TestStuckHTTP2ConnectionIsCut(t *testing.T) {
	s := startWith(t, hub.Options{StallTimeout: 300 * time.Millisecond}, func(c *config.Config) {
		c.Limits.MaxEventSize = 1 << 20
		c.Retention.Bytes = 1 << 30
	})
	stop, end := make(chan struct{}), make(chan struct{})
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	via := &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &deaf{c, stop, end}, c.(*net.TCPConn).SetReadBuffer(4 << 10)
	}}
	t.Cleanup(via.CloseIdleConnections)
	const readers = 8 // each with a window of its own, together more than the socket takes
	for range readers {
		open(t, via, s.url("topic=orders")).expect("runnel-open", "live")
	}
	t.Cleanup(sync.OnceFunc(func() { close(end) })) // before the readers close
	close(stop)
	big := strings.Repeat("x", 1<<20)
	for range 8 {
		s.publish("orders", big)
	}
	for deadline := time.Now().Add(patience); s.Status().Connections > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d readers hold on", s.Status().Connections)
		}
	}
}
