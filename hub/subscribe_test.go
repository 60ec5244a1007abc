package hub_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

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
		"PUT /v1/events?topic=orders HTTP/1.1":   "405 Method Not Allowed",
		"POST /v1/topics/orders/events HTTP/1.1": "405 Method Not Allowed",
		"POST /v1/events?topic=orders HTTP/1.1":  "415 Unsupported Media Type",
		"QUERY /v1/events?topic=orders HTTP/1.1": "415 Unsupported Media Type",
		"GET /v1/events?topic=orders HTTP/1.1":   "400 Bad Request",
		"GET /nowhere HTTP/1.1":                  "404 Not Found",
	} {
		t.Run(request, func(t *testing.T) {
			t.Parallel() // each is waited for
			r, _ := raw(t, s.Addrs().Subscribe, request+"\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
			answer, err := io.ReadAll(r) // ends with the connection
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 "+want) {
				t.Errorf("%q, %v, want %s", answer, err, want)
			}
		})
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
		"stray percent":  {"GET", "/v1/events?topic=%zz", nil, 400, "topic_malformed"},
		"semicolon":      {"GET", "/v1/events?topic=orders;topic=last", nil, 400, "topic_malformed"},
		"undeclared":     {"GET", "/v1/events?topic=nowhere", nil, 404, "topic_not_declared"},
		"one undeclared": {"GET", "/v1/events?topic=orders&topic=nowhere.*", nil, 404, "topic_not_declared"},
		"elsewhere":      {"GET", "/v2/events", nil, 404, "not_found"},
		"no name":        {"GET", "/v1/topics//events?topic=orders", nil, 404, "not_found"},
		"double slash":   {"GET", "//v1/events?topic=orders", nil, 404, "not_found"},
		"put":            {"PUT", "/v1/events?topic=orders", nil, 405, "method_not_allowed"},
		"post to topic":  {"POST", "/v1/topics/orders/events", nil, 405, "method_not_allowed"},
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

func metrics(t *testing.T, s *server) string {
	t.Helper()
	_, body := do(t, "GET", "http://"+s.Addrs().Admin+"/metrics", "")
	return body
}
