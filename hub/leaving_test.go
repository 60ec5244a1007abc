package hub_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

// leaving starts a hub, lets ready prepare clients, and returns when the hub has begun to leave, which takes it longer than the test.
func leaving(t *testing.T, via http.RoundTripper, scheme string, o hub.Options, change func(*config.Config), ready func(s *server)) *server {
	t.Helper()
	s := startWith(t, o, func(c *config.Config) {
		c.Drain.Window = config.Duration(10 * time.Minute) // the first subscriber is closed at once, the second after half of it
		if change != nil {
			change(c)
		}
	})
	var subscribers []*reader
	for range 2 {
		c := open(t, via, scheme+"://"+s.Addrs().Subscribe+"/v1/events?topic=orders")
		c.expect("runnel-open", "live")
		subscribers = append(subscribers, c)
	}
	ready(s)
	s.stop()
	select {
	case <-subscribers[0].events:
	case <-subscribers[1].events:
	}
	return s
}

// keptAlive is a connection with the first request of several answered.
func keptAlive(t *testing.T, addr, request string) (net.Conn, *bufio.Reader) {
	t.Helper()
	answers, c := raw(t, addr, request)
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.Close {
		t.Fatalf("%v, Connection: close %t", err, resp.Close)
	}
	return c, answers
}

// lastAnswer fails unless the next answer has a status, says that it is the last one, and is followed by the connection's end.
func lastAnswer(t *testing.T, answers *bufio.Reader, status int) {
	t.Helper()
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Error(err)
		return
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || !resp.Close {
		t.Errorf("%d %q, %v, Connection: close %t; want %d and close", resp.StatusCode, body, err, resp.Close, status)
		return
	}
	if _, err := answers.ReadByte(); err != io.EOF {
		t.Errorf("after the last answer: %v, want the connection's end", err)
	}
}

func TestEveryAnswerEndsItsConnectionWhileTheHubLeaves(t *testing.T) {
	request := func(line, body string, header ...string) string {
		return line + " HTTP/1.1\r\nHost: hub\r\n" + strings.Join(append(header, ""), "\r\n") + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	}
	get := func(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: hub\r\n\r\n" }
	cases := []struct {
		name, request string
		subscribe     bool // the request is for the subscribe port
		status        int
	}{
		{name: "an event", request: request("POST /v1/topics/orders", "x"), status: 200},
		{name: "a document", request: request("POST /v1/publish", `{"topic":"orders","data":1}`, "Content-Type: application/json"), status: 200},
		{name: "a refused event", request: request("POST /v1/topics/unknown", "x"), status: 404},
		{name: "lines", request: request("POST /v1/publish", `{"topic":"orders","data":1}`, "Content-Type: application/x-ndjson"), status: 200},
		{name: "a CloudEvent", request: request("POST /v1/cloudevents/orders", "x", "Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: s", "Ce-Type: t"), status: 202},
		{name: "a list of topics", request: get("/v1/topics"), status: 200},
		{name: "nothing there", request: get("/nothing/there"), status: 404},
		{name: "chunks", request: "POST /v1/topics/orders HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", status: 200},
		{name: "a body that is too long", request: request("POST /v1/topics/orders", strings.Repeat("x", 5<<10)), status: 413},
		{name: "nothing there for subscribers", request: get("/nothing/there"), subscribe: true, status: 404},
		{name: "a malformed topic", request: get("/v1/events?topic=a..b"), subscribe: true, status: 400},
		{name: "a preflight", request: "OPTIONS /v1/events HTTP/1.1\r\nHost: hub\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n\r\n", subscribe: true, status: 204},
		{name: "a method", request: "DELETE /v1/events HTTP/1.1\r\nHost: hub\r\n\r\n", subscribe: true, status: 405},
		{name: "lines for subscribers", request: "GET /v1/events?topic=orders HTTP/1.1\r\nHost: hub\r\nAccept: application/x-ndjson\r\n\r\n", subscribe: true, status: 503},
	}
	type connection struct {
		net.Conn
		answers *bufio.Reader
	}
	var kept []connection
	var half connection
	inTwo := request("POST /v1/topics/orders", "two parts")
	change := func(c *config.Config) { c.CORS.AllowedOrigins = []string{"https://a.example"} }
	s := leaving(t, http.DefaultTransport, "http", hub.Options{}, change, func(s *server) {
		for _, c := range cases {
			addr, first := s.Addrs().Publish, request("POST /v1/topics/orders", "before")
			if c.subscribe {
				addr, first = s.Addrs().Subscribe, get("/v1/events?topic=a..b")
			}
			conn, answers := keptAlive(t, addr, first)
			kept = append(kept, connection{conn, answers})
		}
		half.Conn, half.answers = keptAlive(t, s.Addrs().Publish, request("POST /v1/topics/orders", "before"))
		if _, err := half.Write([]byte(inTwo[:len(inTwo)-1])); err != nil {
			t.Fatal(err)
		}
		do(t, "GET", "http://"+s.Addrs().Publish+"/v1/topics", "")
	})
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := kept[i].Write([]byte(c.request)); err != nil {
				t.Fatal(err)
			}
			lastAnswer(t, kept[i].answers, c.status)
			addr := s.Addrs().Publish
			if c.subscribe {
				addr = s.Addrs().Subscribe
			}
			answers, _ := raw(t, addr, c.request)
			lastAnswer(t, answers, c.status)
		})
	}
	t.Run("a request that was under way", func(t *testing.T) {
		if _, err := half.Write([]byte(inTwo[len(inTwo)-1:])); err != nil {
			t.Fatal(err)
		}
		lastAnswer(t, half.answers, 200)
	})
}

// TestTheLastRequestsAreAnswered holds that a hub which accepts no more answers the connections that it has: it ends as soon as they are gone.
func TestTheLastRequestsAreAnswered(t *testing.T) {
	const request = "POST /v1/topics/orders HTTP/1.1\r\nHost: hub\r\nContent-Length: 1\r\n\r\nx"
	s := startWith(t, hub.Options{}.WithLastRequests(patience), nil)
	kept, answers := keptAlive(t, s.Addrs().Publish, request)
	firstAnswers, first := raw(t, s.Addrs().Publish, "")
	s.stop()
	for {
		c, err := net.Dial("tcp", s.Addrs().Publish)
		if err != nil {
			break
		}
		_ = c.Close()
	}
	for _, c := range []net.Conn{kept, first} {
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
	}
	lastAnswer(t, answers, 200)
	lastAnswer(t, firstAnswers, 200)
	_, _ = kept.Close(), first.Close()
	s.end()
}

func TestHTTP2ConnectionsAreLeftWhileTheHubLeaves(t *testing.T) {
	ca := newAuthority(t)
	held := newReferences(t)
	held.putPair(ca.issue(2))
	clear := &http.Protocols{}
	clear.SetUnencryptedHTTP2(true)
	for scheme, via := range map[string]*http.Transport{"http": {Protocols: clear}, "https": ca.client(2, nil)} {
		t.Run(scheme, func(t *testing.T) {
			t.Cleanup(via.CloseIdleConnections)
			var publish string
			var dials atomic.Int64
			via.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if addr == publish {
					dials.Add(1)
				}
				return (&net.Dialer{}).DialContext(ctx, network, addr)
			}
			post := func() {
				t.Helper()
				if resp, body := send(t, via, "POST", scheme+"://"+publish+"/v1/topics/orders", "x"); resp.StatusCode != 200 || resp.ProtoMajor != 2 {
					t.Fatalf("%s %s", resp.Status, body)
				}
			}
			change := func(c *config.Config) {
				if scheme == "https" {
					encrypted(c)
				}
			}
			leaving(t, via, scheme, hub.Options{References: held.dir}, change, func(s *server) {
				publish = s.Addrs().Publish
				for range 10 {
					post()
				}
				if n := dials.Load(); n != 1 {
					t.Fatalf("%d connections for requests in a row", n)
				}
			})
			for end := time.Now().Add(patience); dials.Load() < 3; post() { // none of which is lost
				if time.Now().After(end) {
					t.Fatal("the client is never told to leave its connection")
				}
			}
		})
	}
}
