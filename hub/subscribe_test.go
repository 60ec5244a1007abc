package hub_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

// raw sends a request as it is and returns the connection's reader.
func raw(t *testing.T, addr, request string) (*bufio.Reader, net.Conn) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(c), c
}

func TestStreamIsChunkedAndEndsWithItsTerminatorThenFIN(t *testing.T) {
	s := start(t, nil)
	r, _ := raw(t, s.Addrs().Subscribe, "GET /v1/events?topic=orders HTTP/1.1\r\nHost: x\r\n\r\n")
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		head.WriteString(line)
	}
	for _, want := range []string{
		"HTTP/1.1 200 OK\r\n", "Content-Type: text/event-stream; charset=utf-8\r\n", "Cache-Control: no-store, no-transform\r\n",
		"X-Accel-Buffering: no\r\n", "Connection: close\r\n", "Transfer-Encoding: chunked\r\n", "Runnel-Resume: live\r\n", "Vary: Origin\r\n",
	} {
		if !strings.Contains(head.String(), want) {
			t.Errorf("no %q in %q", want, head.String())
		}
	}
	if _, err := r.Peek(20); err != nil { // runnel-open leaves at once
		t.Fatal(err)
	}
	go s.end()
	rest, err := io.ReadAll(r)
	if err != nil || !strings.HasSuffix(string(rest), "\r\n0\r\n\r\n") || !strings.Contains(string(rest), `"reason":"drain"`) {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestBodiesThatNeverComeHoldNoConnection(t *testing.T) {
	s := start(t, nil)
	for request, want := range map[string]string{
		"POST /v1/events?topic=orders HTTP/1.1": "405 Method Not Allowed",
		"GET /v1/events?topic=orders HTTP/1.1":  "400 Bad Request",
		"GET /nowhere HTTP/1.1":                 "404 Not Found",
	} {
		r, _ := raw(t, s.Addrs().Subscribe, request+"\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
		answer, err := io.ReadAll(r) // ends with the connection
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 "+want) {
			t.Errorf("%s: %q, %v", request, answer, err)
		}
	}
}

func TestHTTP10IsNotChunked(t *testing.T) {
	s := start(t, nil)
	r, _ := raw(t, s.Addrs().Subscribe, "GET /v1/topics/orders/events HTTP/1.0\r\n\r\n")
	var text strings.Builder
	for !strings.Contains(text.String(), "\n\n") {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(line)
	}
	if strings.Contains(text.String(), "chunked") || !strings.Contains(text.String(), "\r\n\r\nevent: runnel-open\n") {
		t.Errorf("%q", text.String())
	}
}

func TestHTTP2WithPriorKnowledge(t *testing.T) {
	s := start(t, nil)
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	via := &http.Transport{Protocols: protocols}
	t.Cleanup(via.CloseIdleConnections)
	c := open(t, via, s.url("topic=orders"))
	if c.resp.ProtoMajor != 2 || c.resp.Header.Get("Connection") != "" {
		t.Errorf("%s, %v", c.resp.Proto, c.resp.Header)
	}
	c.expect("runnel-open", `"live"`)
	s.publish("orders", "over h2")
	c.expect("", "over h2")
	go s.end()
	c.expect("runnel-close", "drain")
	c.ends()
}

func TestOpenSaysWhereTheReaderStands(t *testing.T) {
	s := start(t, nil)
	id := s.publish("orders", "1")
	c := s.read(q("topic", "orders", "topic", "prices.*", "topic", "orders"))
	e := c.expect("runnel-open", fmt.Sprintf(`{"resume":"live","cursor":"%s","heartbeatMs":15000,"topics":["orders","prices.*"]}`, id))
	retry, err := strconv.Atoi(e.retry)
	if err != nil || retry < 2000 || retry >= 4000 || e.id != id {
		t.Errorf("%+v", e)
	}
	if !regexp.MustCompile(`^[0-9a-z]{8}-(0|[1-9][0-9]{0,19})$`).MatchString(id) {
		t.Errorf("id %q", id)
	}
}

func TestResumes(t *testing.T) {
	s := start(t, nil)
	first := s.publish("orders", "1")
	s.publish("orders", "2")
	for name, c := range map[string]*reader{
		"header":            s.read("topic=orders", "Last-Event-ID", first),
		"query":             s.read(q("topic", "orders", "last_event_id", first)),
		"polyfill's query":  s.read(q("topic", "orders", "lastEventId", first)),
		"header over query": s.read(q("topic", "orders", "last_event_id", "earliest"), "Last-Event-ID", first),
	} {
		c.expect("runnel-open", `"exact"`)
		if e := c.expect("", "2"); e.data != "2" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	c := s.read(q("topic", "orders", "last_event_id", "earliest"))
	c.expect("runnel-open", `"exact"`)
	c.expect("", "1")
	c.expect("", "2")
	c = s.read("topic=orders", "Last-Event-ID", strings.Repeat("x", 10000))
	c.expect("runnel-open", `"gap"`)
	if e := c.expect("runnel-gap", `"unknown_id"`); len(e.data) > 1000 {
		t.Errorf("the hub echoes %d bytes", len(e.data))
	}
}

func TestRestartIsAReset(t *testing.T) {
	old := start(t, nil)
	id := old.publish("orders", "before")
	old.end()
	s := start(t, nil)
	s.publish("orders", "after")
	c := s.read("topic=orders", "Last-Event-ID", id)
	if e := c.expect("runnel-open", `"reset"`); e.id != "" {
		t.Errorf("open moves the cursor over the gap: %+v", e)
	}
	if e := c.expect("runnel-gap", `"requested":"`+id+`"`); e.id == "" || !strings.Contains(e.data, `"reason":"reset","topics":["orders"]`) {
		t.Errorf("%+v", e)
	}
	c.expect("", "after")
	if c.resp.Header.Get("Runnel-Resume") != "reset" {
		t.Errorf("%v", c.resp.Header)
	}
}

func TestSubscribeRefusals(t *testing.T) {
	s := start(t, func(c *config.Config) {
		c.CORS = config.CORS{AllowedOrigins: []string{"https://shop.example"}, AllowCredentials: true}
	})
	many := strings.Repeat("topic=a&", 65)
	for name, c := range map[string]struct {
		method, path string
		header       []string
		status       int
		code         string
	}{
		"no topic":       {"GET", "/v1/events", nil, 400, "topic_missing"},
		"malformed":      {"GET", "/v1/events?topic=a..b", nil, 400, "topic_malformed"},
		"too many":       {"GET", "/v1/events?" + many, nil, 400, "too_many_topics"},
		"bad query":      {"GET", "/v1/events?topic=%zz", nil, 400, "malformed_query"},
		"undeclared":     {"GET", "/v1/events?topic=nowhere", nil, 404, "topic_not_declared"},
		"one undeclared": {"GET", "/v1/events?topic=orders&topic=nowhere.*", nil, 404, "topic_not_declared"},
		"elsewhere":      {"GET", "/v2/events", nil, 404, "not_found"},
		"no name":        {"GET", "/v1/topics//events?topic=orders", nil, 404, "not_found"},
		"double slash":   {"GET", "//v1/events?topic=orders", nil, 404, "not_found"},
		"post":           {"POST", "/v1/events?topic=orders", nil, 405, "method_not_allowed"},
		"accept":         {"GET", "/v1/events?topic=orders", []string{"Accept", "application/json"}, 406, "not_acceptable"},
		"accept q=0":     {"GET", "/v1/events?topic=orders", []string{"Accept", "text/event-stream;q=0"}, 406, "not_acceptable"},
		"origin":         {"GET", "/v1/events?topic=orders", []string{"Origin", "https://evil.example"}, 403, "origin_not_allowed"},
		"error to page":  {"GET", "/v1/events?topic=nowhere", []string{"Origin", "https://shop.example"}, 404, "topic_not_declared"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := do(t, c.method, "http://"+s.Addrs().Subscribe+c.path, "", c.header...)
			if resp.StatusCode != c.status || !strings.Contains(body, `"code":"`+c.code+`"`) || resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
			}
			if name == "error to page" && resp.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" {
				t.Errorf("the page cannot read the error: %v", resp.Header)
			}
		})
	}
}

func TestCORS(t *testing.T) {
	for name, c := range map[string]struct {
		cors                     config.CORS
		origin, want, credential string
		status                   int
	}{
		"listed":             {config.CORS{AllowedOrigins: []string{"https://a.example"}}, "https://a.example", "https://a.example", "", 200},
		"listed, credential": {config.CORS{AllowedOrigins: []string{"https://a.example"}, AllowCredentials: true}, "https://a.example", "https://a.example", "true", 200},
		"every":              {config.CORS{AllowedOrigins: []string{"*"}}, "https://b.example", "*", "", 200},
		"other":              {config.CORS{AllowedOrigins: []string{"https://a.example"}}, "https://b.example", "", "", 403},
		"none":               {config.CORS{}, "https://a.example", "", "", 403},
		"null":               {config.CORS{}, "null", "", "", 403},
		"same origin":        {config.CORS{}, "", "", "", 200},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(cfg *config.Config) { cfg.CORS = c.cors })
			resp, _ := do(t, "HEAD", s.url("topic=orders"), "", "Origin", c.origin)
			got := resp.Header
			if resp.StatusCode != c.status || got.Get("Access-Control-Allow-Origin") != c.want || got.Get("Access-Control-Allow-Credentials") != c.credential || got.Get("Vary") != "Origin" {
				t.Errorf("%d %v", resp.StatusCode, got)
			}
			resp, _ = do(t, "OPTIONS", s.url("topic=orders"), "", "Origin", c.origin, "Access-Control-Request-Method", "GET")
			if c.status == 200 && (resp.StatusCode != 204 || !strings.Contains(resp.Header.Get("Access-Control-Allow-Headers"), "Last-Event-ID")) {
				t.Errorf("preflight: %d %v", resp.StatusCode, resp.Header)
			}
		})
	}
}

func TestTooManyConnectionsAreRefusedSoftly(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Limits.Connections = 1 })
	first := s.read("topic=orders")
	first.expect("runnel-open", "live")
	cursor := s.publish("orders", "1")
	s.publish("orders", "2")
	second := s.read("topic=orders", "Last-Event-ID", cursor)
	if e := second.expect("runnel-close", `"reason":"overloaded","reconnect":true`); e.retry == "" || e.id != "" || second.resp.StatusCode != 200 {
		t.Errorf("%d %+v", second.resp.StatusCode, e)
	}
	second.ends()
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
	s := start(t, func(c *config.Config) { c.Drain.Window = config.Duration(time.Minute) })
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

func TestStuckReaderIsCut(t *testing.T) {
	s := startWith(t, hub.Options{StallTimeout: 200 * time.Millisecond}, func(c *config.Config) {
		c.Limits.EventBytes = 1 << 20
		c.Retention.Bytes = 1 << 30
	})
	_, conn := raw(t, s.Addrs().Subscribe, "GET /v1/events?topic=orders HTTP/1.1\r\nHost: x\r\n\r\n")
	defer func() { _ = conn.Close() }()
	fast := s.read("topic=orders")
	fast.expect("runnel-open", "live")
	big := strings.Repeat("x", 1<<20)
	for !strings.Contains(metrics(t, s), `runnel_hub_connections_ended_total{reason="slow_consumer"} 1`) {
		s.publish("orders", big)
		fast.expect("", "xxx")
	}
}

func metrics(t *testing.T, s *server) string {
	t.Helper()
	_, body := do(t, "GET", "http://"+s.Addrs().Admin+"/metrics", "")
	return body
}

func TestReadersWithoutACursorMayBeginEarlier(t *testing.T) {
	s := start(t, nil)
	before := time.Now().Add(-time.Second)
	s.publish("orders", "1")
	s.publish("prices.x", "2")
	s.publish("orders", "3")
	for query, want := range map[string][]string{
		q("topic", ">", "replay", "1"):                                   {"2", "3"},
		q("topic", "orders", "replay", "9"):                              {"1", "3"},
		q("topic", "orders", "since", "1m"):                              {"1", "3"},
		q("topic", "orders", "since", before.UTC().Format(time.RFC3339)): {"1", "3"},
		q("topic", "orders", "last_event_id", "earliest", "replay", "1"): {"1", "3"},
	} {
		c := s.read(query)
		c.expect("runnel-open", "")
		for _, data := range want {
			c.expect("", data)
		}
		c.close()
	}
}

func TestReaderOptionsInTheQuery(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Topics[0].Events = 1 })
	first := s.publish("orders", "1")
	second := s.publish("orders", "2")
	third := s.publish("orders", "3")
	c := s.read(q("topic", "orders", "heartbeat", "1ms"))
	c.expect("runnel-open", `"heartbeatMs":5000`)
	c = s.read(q("topic", "orders", "heartbeat", "24h"))
	c.expect("runnel-open", `"heartbeatMs":600000`)
	c = s.read(q("topic", "orders", "control", "off"), "Last-Event-ID", first)
	if e := c.expect("", ""); e.id != second || e.data != "" {
		t.Errorf("the cursor is not primed: %+v", e)
	}
	c.expect("", "3")
	resp, body := do(t, "GET", s.url(q("topic", "orders", "on_gap", "fail")), "", "Last-Event-ID", first)
	if resp.StatusCode != 410 || !strings.Contains(body, `"code":"gap"`) || !strings.Contains(body, "last_event_id="+second) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	c = s.read(q("topic", "orders", "on_gap", "fail"), "Last-Event-ID", third)
	c.expect("runnel-open", "exact")
	for name, bad := range map[string]string{"replay": "0", "since": "yesterday", "heartbeat": "soon", "heartbeat_mode": "loud", "flush": "-1s", "control": "no", "on_gap": "shrug", "padding": "1"} {
		resp, body := do(t, "GET", s.url(q("topic", "orders", name, bad)), "")
		if resp.StatusCode != 400 || !strings.Contains(body, `"code":"parameter_malformed"`) || !strings.Contains(body, name+"=`"+bad+"`: write ") {
			t.Errorf("%s=%s: %d %s", name, bad, resp.StatusCode, body)
		}
	}
}
