package hub_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// framings are the ways to say that a request of HTTP/1.1 has no content, and the first of them says nothing.
var framings = map[string]string{
	"nothing":                  "\r\n",
	"length 0":                 "Content-Length: 0\r\n\r\n",
	"no chunks":                "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"no chunks, and a trailer": "Transfer-Encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\n",
	"no chunks, which is late": "Transfer-Encoding: chunked\r\n\r\n" + later + "0\r\n\r\n",
}

// later stands for the time in which a hub answers somebody else.
const later = "\x00"

// emptyRequests are requests without content, with the status and a text of their answers.
var emptyRequests = []struct {
	publish bool
	request string
	status  int
	text    string
}{
	{false, "GET /v1/events?topic=orders", 200, "event: runnel-open"},
	{false, "GET /v1/topics/orders/events", 200, "event: runnel-open"},
	{false, "GET /v1/events?topic=a..b", 400, "topic_malformed"},
	{false, "HEAD /v1/events?topic=orders", 200, ""},
	{false, "OPTIONS /v1/events?topic=orders", 204, ""},
	{false, "OPTIONS /v1/tickets", 204, ""},
	{false, "POST /v1/tickets", 400, "body_malformed"},
	{true, "GET /v1/topics", 200, `{"topics":[`},
	{true, "GET /v1/topics/orders", 200, `"topic":"orders"`},
	{true, "POST /v1/topics/orders", 200, `"topic":"orders"`},
	{true, "POST /v1/topics/last/complete", 200, `"topic":"last"`},
	{true, "POST /v1/cloudevents/orders", 202, ""},
}

// startOpen serves a hub that knows alice and has tickets, and returns the addresses of its ports, that for publishers as true.
func startOpen(t *testing.T, ca *authority) (s *server, addr map[bool]string) {
	t.Helper()
	s = startCertified(t, ca, withTickets)
	return s, map[bool]string{false: s.Addrs().Subscribe, true: s.Addrs().Publish}
}

// answered fails unless an answer has a status, and a text in its first line.
func answered(t *testing.T, resp *http.Response, status int, text string) {
	t.Helper()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if resp.StatusCode != status || !strings.Contains(line, text) {
		t.Errorf("%d %s, want %d %s", resp.StatusCode, line, status, text)
	}
}

func TestARequestWithoutContentIsTakenHoweverItIsFramed(t *testing.T) {
	headers := "\r\nHost: hub\r\nCe-Specversion: 1.0\r\nCe-Id: 1\r\nCe-Source: /\r\nCe-Type: t\r\nAuthorization: Bearer " + tokenOf(t, "alice", nil) + "\r\n"
	for mode, ca := range map[string]*authority{"clear text": nil, "TLS": newAuthority(t)} {
		s, addr := startOpen(t, ca)
		for framing, text := range framings {
			for _, c := range emptyRequests {
				t.Run(mode+", "+framing+", "+c.request, func(t *testing.T) {
					r, conn := rawBy(t, ca, addr[c.publish])
					first, rest, split := strings.Cut(text, later)
					sent := c.request + " HTTP/1.1" + headers + first
					if _, err := io.WriteString(conn, sent); err != nil {
						t.Fatal(err)
					}
					if split {
						_ = metrics(t, s)
					}
					if _, err := io.WriteString(conn, rest); err != nil {
						t.Fatal(err)
					}
					method, _, _ := strings.Cut(c.request, " ")
					resp, err := http.ReadResponse(r, &http.Request{Method: method})
					if err != nil {
						t.Fatal(err)
					}
					answered(t, resp, c.status, c.text)
				})
			}
		}
	}
}

// rawBy connects to a port, encrypted if there is an authority for the hub's certificate.
func rawBy(t *testing.T, ca *authority, addr string) (*bufio.Reader, net.Conn) {
	t.Helper()
	if ca == nil {
		return raw(t, addr, "")
	}
	c, err := tls.Dial("tcp", addr, ca.client(1, nil).TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(c), c
}

// sendUnknown sends a request with content of unknown length by HTTP/2: as DATA frames, of which the last is empty.
func sendUnknown(t *testing.T, ca *authority, addr, request, content string) *http.Response {
	t.Helper()
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	via, scheme := &http.Transport{Protocols: protocols}, "http://"
	if ca != nil {
		via, scheme = ca.client(2, nil), "https://"
	}
	t.Cleanup(via.CloseIdleConnections)
	method, target, _ := strings.Cut(request, " ")
	u, err := url.Parse(scheme + addr + target)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := via.RoundTrip(&http.Request{
		Method: method, URL: u, ContentLength: -1, Body: io.NopCloser(strings.NewReader(content)),
		Header: http.Header{
			"Authorization": {"Bearer " + tokenOf(t, "alice", nil)}, "Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"/"}, "Ce-Type": {"t"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.ProtoMajor != 2 {
		t.Fatal(resp.Proto)
	}
	return resp
}

func TestAnEmptyDataFrameIsNoContent(t *testing.T) {
	for mode, ca := range map[string]*authority{"clear text": nil, "TLS": newAuthority(t)} {
		_, addr := startOpen(t, ca)
		for _, c := range emptyRequests {
			t.Run(mode+", "+c.request, func(t *testing.T) {
				answered(t, sendUnknown(t, ca, addr[c.publish], c.request, ""), c.status, c.text)
			})
		}
	}
}

func TestContentIsRefusedWhereNoneIsTaken(t *testing.T) {
	headers := "\r\nHost: hub\r\nAuthorization: Bearer " + tokenOf(t, "alice", nil) + "\r\n"
	for mode, ca := range map[string]*authority{"clear text": nil, "TLS": newAuthority(t)} {
		_, addr := startOpen(t, ca)
		for _, c := range emptyRequests {
			method, _, _ := strings.Cut(c.request, " ")
			if method != "GET" && method != "HEAD" || c.status != 200 {
				continue
			}
			code := map[string]string{"GET": `"body_unwanted"`}[method]
			for framing, text := range map[string]string{
				"length": "Content-Length: 5\r\n\r\nhello", "a length alone": "Content-Length: 5\r\n\r\n",
				"chunks": "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "a chunk that never ends": "Transfer-Encoding: chunked\r\n\r\n5\r\nh",
			} {
				t.Run(mode+", "+framing+", "+c.request, func(t *testing.T) {
					t.Parallel() // each that never comes is waited for
					r, conn := rawBy(t, ca, addr[c.publish])
					if _, err := io.WriteString(conn, c.request+" HTTP/1.1"+headers+text); err != nil {
						t.Fatal(err)
					}
					resp, err := http.ReadResponse(r, &http.Request{Method: method})
					if err != nil {
						t.Fatal(err)
					}
					answered(t, resp, 400, code)
				})
			}
			t.Run(mode+", HTTP/2, "+c.request, func(t *testing.T) {
				answered(t, sendUnknown(t, ca, addr[c.publish], c.request, "hello"), 400, code)
			})
		}
	}
}

// TestARefusalReachesAClientThatStillSends sends more than a server reads at once: a connection that is closed while content waits is reset, and
// the client may lose the answer.
func TestARefusalReachesAClientThatStillSends(t *testing.T) {
	for mode, ca := range map[string]*authority{"clear text": nil, "TLS": newAuthority(t)} {
		_, addr := startOpen(t, ca)
		for _, c := range []struct {
			publish bool
			request string
			status  int
		}{
			{false, "POST /v1/topics/orders", 404}, {false, "PUT /v1/events", 405}, {false, "POST /v1/events", 415}, {false, "GET /v1/events?topic=orders", 400},
			{false, "GET /nowhere", 404}, {false, "POST /healthz", 405}, {false, "POST /v1/tickets", 401},
			{true, "POST /v1/events", 404}, {true, "PUT /v1/topics", 405}, {true, "GET /v1/topics", 400}, {true, "POST /v1/topics/orders", 413},
		} {
			t.Run(mode+", "+c.request, func(t *testing.T) {
				content := strings.Repeat("x", 200<<10)
				for _, text := range []string{fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(content), content), fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(content), content)} {
					r, conn := rawBy(t, ca, addr[c.publish])
					if _, err := io.WriteString(conn, c.request+" HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n"+text); err != nil {
						t.Fatal(err)
					}
					b, err := io.ReadAll(r)
					if want := fmt.Sprintf("HTTP/1.1 %d ", c.status); err != nil || !strings.HasPrefix(string(b), want) {
						t.Errorf("%.200q, %v, want %s", b, err, want)
					}
				}
			})
		}
	}
}
