package http1

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// seeds are requests as they come, and such that two servers could read in two ways.
var seeds = []string{
	"POST /v1/topics/orders HTTP/1.1\r\nHost: hub:8081\r\nAuthorization: Bearer a.b.c\r\nContent-Length: 5\r\n\r\nhello",
	"POST /v1/topics/orders?type=a%20b&id=1 HTTP/1.1\r\nhost: [::1]:8081\r\ncontent-length: 0\r\nContent-Type: text/plain\r\n\r\n",
	"GET /v1/events?topic=a HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nPragma: no-cache\r\nConnection: keep-alive\r\nCookie: a=b; c\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\nGET / HTTP/1.1\r\nHost: y\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\nx",
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx",
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:1\r\nX:\r\nX: \t a \t\r\n\r\nx",
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 1\r\n\r\nx",
	"GET / HTTP/1.1\nHost: x\n\n",
	"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
	"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET //x/../%2e HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /? HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nConnection: Upgrade\r\n\r\n",
	"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
	"\x16\x03\x01",
}

// FuzzRequest holds that net/http reads the same of whatever is taken, and that it is taken at its last byte and never before, however
// it is cut.
func FuzzRequest(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &Request{peer: nowhere{}, now: &clock{now: time.Now()}}
		n, found := r.parse(b)
		if found != whole {
			return
		}
		source := bytes.NewReader(b)
		buffer := bufio.NewReader(source)
		want, err := http.ReadRequest(buffer)
		if err != nil {
			t.Fatalf("%q is taken: %v", b[:n], err)
		}
		body, err := io.ReadAll(want.Body)
		if err != nil {
			t.Fatalf("%q is taken: %v", b[:n], err)
		}
		if used := len(b) - source.Len() - buffer.Buffered(); n != used {
			t.Fatalf("%q ends after %d bytes, not %d", b, used, n)
		}
		compare(t, r, want, body)
		again, err := r.HTTP()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(again.Body); err != nil || !bytes.Equal(got, body) {
			t.Errorf("the body is %q, %v, want %q", got, err, body)
		}
		want.RemoteAddr = nowhere{}.remoteAddr()
		want.Body, again.Body = nil, nil
		if !reflect.DeepEqual(again, want) {
			t.Errorf("%+v, want %+v", again, want)
		}
		whole := bytes.Clone(b[:n])
		for i := range whole {
			if _, found := r.parse(whole[:i]); found != partial {
				t.Fatalf("%q is not what a request may begin with", whole[:i])
			}
		}
	})
}

// compare holds a request against what net/http makes of the same.
func compare(t *testing.T, r *Request, want *http.Request, body []byte) {
	t.Helper()
	if method := map[bool]string{false: "GET", true: "POST"}[r.Post]; method != want.Method {
		t.Errorf("%s, want %s", method, want.Method)
	}
	if u := want.URL; string(r.Path) != u.Path || u.RawPath != "" || string(r.RawQuery) != u.RawQuery || u.Host != "" || u.Scheme != "" || u.Opaque != "" || u.Fragment != "" {
		t.Errorf("%q ? %q, want %#v", r.Path, r.RawQuery, u)
	}
	if string(r.Header("host")) != want.Host || r.Close != want.Close || !bytes.Equal(r.Body, body) || len(want.TransferEncoding) > 0 || len(want.Trailer) > 0 {
		t.Errorf("%+v, want %+v", r, want)
	}
	names := slices.Collect(maps.Keys(want.Header))
	for _, f := range r.fields {
		if name := http.CanonicalHeaderKey(string(f.name)); name != "Host" && !slices.Contains(names, name) {
			t.Errorf("%s is none of %q", name, names)
		}
	}
	for name, values := range want.Header {
		if name == "Cache-Control" && want.Header.Get("Pragma") == "no-cache" {
			continue // net/http may have added it
		}
		if got := string(r.Header(strings.ToLower(name))); got != values[0] {
			t.Errorf("%s: %q, want %q", name, got, values[0])
		}
	}
}

// nowhere is no connection.
type nowhere struct{}

func (nowhere) take() (int, bool)  { return -1, false }
func (nowhere) remoteAddr() string { return "192.0.2.1:7" }

func TestParse(t *testing.T) {
	const host = "Host: x\r\n"
	r := &Request{}
	for text, want := range map[string]reading{
		"":                                   partial,
		"G":                                  partial,
		"POS":                                partial,
		"GE ":                                foreign,
		"GET /":                              partial,
		"GET / HTTP/1.1\r\n":                 partial,
		"GET / HTTP/1.1\r\n" + host:          partial,
		"GET / HTTP/1.1\r\n" + host + "\r\n": whole,
		"GET /v1/a.b~c_d-e/?x=%zz|[] HTTP/1.1\r\n" + host + "\r\n":     whole,
		"GET / HTTP/1.1\r\nHost: [::1]:80\r\nX-Y:\r\n\r\n":             whole,
		"POST / HTTP/1.1\r\n" + host + "content-LENGTH: 1\r\n\r\n":     partial,
		"POST / HTTP/1.1\r\n" + host + "content-LENGTH: 1\r\n\r\nx":    whole,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\nGET":  whole,
		"GET / HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n":      whole,
		"GET / HTTP/1.1\r\n" + host + "Connection: Keep-Alive\r\n\r\n": whole,
		"GET / HTTP/1.1\n":                                        foreign,
		"GET / HTTP/1.1\r\n\r\n":                                  foreign,
		"GET / HTTP/1.0\r\n":                                      foreign,
		"GET / HTTP/1.12\r\n":                                     foreign,
		"GET  / HTTP/1.1\r\n":                                     foreign,
		"GET /  HTTP/1.1\r\n":                                     foreign,
		"GET x HTTP/1.1\r\n":                                      foreign,
		"GET * HTTP/1.1\r\n":                                      foreign,
		"GET  HTTP/1.1\r\n":                                       foreign,
		"GET //x HTTP/1.1\r\n":                                    foreign,
		"GET /x//y HTTP/1.1\r\n":                                  foreign,
		"GET /./x HTTP/1.1\r\n":                                   foreign,
		"GET /x/.. HTTP/1.1\r\n":                                  foreign,
		"GET /%41 HTTP/1.1\r\n":                                   foreign,
		"GET /x#y HTTP/1.1\r\n":                                   foreign,
		"GET /?x#y HTTP/1.1\r\n":                                  foreign,
		"GET /?\x80 HTTP/1.1\r\n":                                 foreign,
		"HEAD / HTTP/1.1\r\n":                                     foreign,
		"get / HTTP/1.1\r\n":                                      foreign,
		"PRI * HTTP/2.0\r\n":                                      foreign,
		"\x16\x03\x01":                                            foreign,
		"GET / HTTP/1.1\r\n" + host + "X: a\rb\r\n":               foreign,
		"GET / HTTP/1.1\r\n" + host + "X: a\x00b\r\n":             foreign,
		"GET / HTTP/1.1\r\n" + host + "X: ä\r\n":                  foreign,
		"GET / HTTP/1.1\r\n" + host + "X y: a\r\n":                foreign,
		"GET / HTTP/1.1\r\n" + host + "X : a\r\n":                 foreign,
		"GET / HTTP/1.1\r\n" + host + ": a\r\n":                   foreign,
		"GET / HTTP/1.1\r\n" + host + "X\r\n":                     foreign,
		"GET / HTTP/1.1\r\n" + host + " X: a\r\n":                 foreign,
		"GET / HTTP/1.1\r\n" + host + "X: a\r\n\tb\r\n":           foreign,
		"GET / HTTP/1.1\r\n" + host + "Host: y\r\n\r\n":           foreign,
		"GET / HTTP/1.1\r\nHost: xy\n\r\n":                        foreign,
		"GET / HTTP/1.1\r\nHost:\r\n":                             foreign,
		"GET / HTTP/1.1\r\nHost: x/y\r\n":                         foreign,
		"GET / HTTP/1.1\r\nHost: x y\r\n":                         foreign,
		"GET / HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n": foreign,
		"POST / HTTP/1.1\r\n" + host + "\r\n":                     foreign,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 1\r\n":      foreign,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 1, 1\r\n":                        foreign,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 01\r\n":                          foreign,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: +1\r\n":                          foreign,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n":                          foreign,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 0x1\r\n":                         foreign,
		"POST / HTTP/1.1\r\n" + host + "Content-Length:\r\n":                             foreign,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 65536\r\n\r\n":                   foreign,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n":        foreign,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nConnection: close\r\n\r\nx": whole,
		"GET / HTTP/1.1\r\n" + host + "Connection: upgrade\r\n":                          foreign,
		"GET / HTTP/1.1\r\n" + host + "Connection: keep-alive, x\r\n":                    foreign,
		"GET / HTTP/1.1\r\n" + host + "Transfer-encoding: chunked\r\n":                   foreign,
		"GET / HTTP/1.1\r\n" + host + "EXPECT: 100-continue\r\n":                         foreign,
		"GET / HTTP/1.1\r\n" + host + "Upgrade: h2c\r\n":                                 foreign,
		"GET / HTTP/1.1\r\n" + host + "Trailer: X\r\n":                                   foreign,
		"GET / HTTP/1.1\r\n" + host + "te: trailers\r\n":                                 foreign,
		"GET / HTTP/1.1\r\n" + host + "HTTP2-Settings: x\r\n":                            foreign,
		"GET / HTTP/1.1\r\n" + host + strings.Repeat("X: y\r\n", maxFields):              foreign,
		"GET / HTTP/1.1\r\n" + host + strings.Repeat("X: y\r\n", maxFields-1) + "\r\n":   whole,
	} {
		if _, found := r.parse([]byte(text)); found != want {
			t.Errorf("%q: %d, want %d", text, found, want)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	text := []byte("POST /v1/topics/orders HTTP/1.1\r\nHost: hub.team-a:8081\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 200\r\n" +
		"Authorization: Bearer " + strings.Repeat("x", 900) + "\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n" + strings.Repeat("x", 200))
	r := &Request{}
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, found := r.parse(text); found != whole {
			b.Fatal(found)
		}
	}
}
