package http1_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/http1"
	"github.com/runnel-dev/runnel/hub/poll"
)

// patience bounds a wait that is expected to end; it only shows when a test fails.
const patience = 20 * time.Second

// handler answers what asks for it, and counts.
type handler struct {
	served, rounds atomic.Int64
	taken          chan int
}

func (h *handler) Serve(r *http1.Request, to []byte) ([]byte, http1.Verdict) {
	switch {
	case string(r.Path) == "/pass":
		return nil, http1.Pass
	case string(r.Path) == "/take":
		fd, ok := r.Take()
		if !ok {
			return nil, http1.Pass
		}
		h.taken <- fd
		return nil, http1.Taken
	}
	h.served.Add(1)
	body := fmt.Appendf(nil, "front %s?%s %s %s\n", r.Path, r.RawQuery, r.Header("x"), r.Body)
	if string(r.Path) == "/large" {
		body = append(body, bytes.Repeat([]byte{' '}, 1<<20)...)
	}
	return r.AppendAnswer(to, 200, body, http1.Field{Name: "Content-Type", Value: "text/plain"}), http1.Answered
}

func (h *handler) Rounded() { h.rounds.Add(1) }

// ServeHTTP is net/http's side.
func (*handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/pass" {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(short))
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = fmt.Fprintf(w, "net/http %s?%s %s %s\n", r.URL.Path, r.URL.RawQuery, r.Header.Get("x"), body)
}

const short = 100 * time.Millisecond

// server is a front with net/http behind it, which runs until its test ends.
type server struct {
	*http1.Front
	handler *handler
	t       testing.TB
	addr    string
	behind  *http.Server
	served  chan error
	log     chan string
	ended   sync.Once
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	var c net.ListenConfig
	c.SetMultipathTCP(false)
	ln, err := c.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func start(t testing.TB, o http1.Options) *server {
	t.Helper()
	ln := listen(t)
	s := &server{handler: &handler{taken: make(chan int, 1)}, t: t, addr: ln.Addr().String(), served: make(chan error, 2), log: make(chan string, 100)}
	o.HeaderTimeout, o.IdleTimeout, o.WriteTimeout = cmp.Or(o.HeaderTimeout, time.Hour), cmp.Or(o.IdleTimeout, time.Hour), cmp.Or(o.WriteTimeout, time.Hour)
	o.ErrorLog = log.New(s, "", 0)
	var err error
	if s.Front, err = http1.New(ln, s.handler, o); err != nil {
		t.Fatal(err)
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s.behind = &http.Server{Handler: s.handler, Protocols: protocols, ReadHeaderTimeout: o.HeaderTimeout, ErrorLog: o.ErrorLog}
	go func() { s.served <- s.Serve() }()
	go func() { s.served <- s.behind.Serve(s.Passed()) }()
	t.Cleanup(func() { s.end(nil) })
	return s
}

// Write takes what is logged.
func (s *server) Write(b []byte) (int, error) {
	select {
	case s.log <- string(b):
	default:
	}
	return len(b), nil
}

// end shuts down, once, and waits for all that was started.
func (s *server) end(want error) {
	s.t.Helper()
	s.ended.Do(func() { s.shutDown(want) })
}

func (s *server) shutDown(want error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	if want != nil {
		cancel()
	}
	if err := s.Shutdown(ctx); !errors.Is(err, want) {
		s.t.Errorf("the shutdown fails: %v", err)
	}
	_ = s.behind.Shutdown(ctx)
	_ = s.behind.Close()
	for range cap(s.served) {
		if err := <-s.served; err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.t.Error(err)
		}
	}
	cancel()
}

// client is a connection.
type client struct {
	*net.TCPConn
	*bufio.Reader
	t testing.TB
}

func (c *client) Read(b []byte) (int, error) { return c.Reader.Read(b) }

func (s *server) dial() *client {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	return &client{c.(*net.TCPConn), bufio.NewReader(c), s.t}
}

func (c *client) send(text string) *client {
	c.t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// answer returns the body of the next answer, without its line end and space before it.
func (c *client) answer() string {
	c.t.Helper()
	resp, err := http.ReadResponse(c.Reader, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func (c *client) expect(want ...string) *client {
	c.t.Helper()
	for _, w := range want {
		if got := c.answer(); got != w {
			c.t.Fatalf("%q, want %q", got, w)
		}
	}
	return c
}

// ends fails unless the connection ends now.
func (c *client) ends() {
	c.t.Helper()
	if b, err := io.ReadAll(c.Reader); errors.Is(err, os.ErrDeadlineExceeded) || len(b) > 0 {
		c.t.Errorf("%q, %v", b, err)
	}
}

func request(target, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nX: y\r\nContent-Length: %d\r\n\r\n%s", target, len(body), body)
}

func TestWhatIsUsualIsAnsweredHere(t *testing.T) {
	s := start(t, http1.Options{})
	c := s.dial()
	c.send(request("/a?b=c", "one")).expect("front /a?b=c y one")
	c.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"+request("/b", strings.Repeat("x", 60<<10))).expect("front /a?", "front /b? y "+strings.Repeat("x", 60<<10))
	c.send("\r\n" + request("/c", "")).expect("front /c? y")
	c.send("POST /last HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nz" + request("/more", "")).expect("front /last?  z").ends()
	c = s.dial().send("GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	c.expect("front /large?").ends()
}

func TestWhatIsUnusualIsAnsweredByNetHTTP(t *testing.T) {
	s := start(t, http1.Options{})
	for name, text := range map[string]string{
		"chunked":      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n",
		"bare lines":   "POST /a HTTP/1.1\nHost: x\nContent-Length: 1\n\nz",
		"old":          "POST /a HTTP/1.0\r\nContent-Length: 1\r\n\r\nz",
		"escaped":      "POST /%61 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nz",
		"absolute":     "POST http://x/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nz",
		"put":          "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nz",
		"long":         "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat(" ", 69_999) + "z",
		"long header":  "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nLong: " + strings.Repeat("x", 65<<10) + "\r\n\r\nz",
		"many headers": "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n" + strings.Repeat("Many: x\r\n", 100) + "\r\nz",
	} {
		for _, before := range []string{"", request("/1", ""), request("/1", "") + "\r\n"} {
			t.Run(fmt.Sprintf("%s, after %d", name, len(before)), func(t *testing.T) {
				c := s.dial().send(before + text)
				if before != "" {
					c.expect("front /1? y")
				}
				if got := c.answer(); strings.Join(strings.Fields(got), " ") != "net/http /a? z" {
					t.Errorf("%q", got)
				}
			})
		}
	}
	for name, text := range map[string]string{
		"no host":     "GET /a HTTP/1.1\r\n\r\n",
		"nonsense":    "nonsense, and more of it\r\n\r\n",
		"two lengths": "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nz",
	} {
		if got := s.dial().send(text).answer(); !strings.HasPrefix(got, "400 Bad Request") {
			t.Errorf("%s: %q", name, got)
		}
	}
	s.dial().send(request("/pass", "body")+request("/a", "")).expect("net/http /pass? y body", "net/http /a? y") // it stays there
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Post("http://"+s.addr+"/a", "text/plain", strings.NewReader("z"))
	if err != nil || resp.ProtoMajor != 2 {
		t.Fatal(resp, err)
	}
	_ = resp.Body.Close()
}

// TestRequestsMayComeInParts cuts a pipeline at each byte.
func TestRequestsMayComeInParts(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // for one loop: what it answers to another, it does after it has read this
	s := start(t, http1.Options{})
	other := s.dial()
	text := request("/a", "one") + "\r\n" + "GET /b HTTP/1.1\r\nHost: x\r\n\r\n" + request("/c?", "") + request("/pass", "four") + request("/e", "five")
	for i := range text {
		c := s.dial().send(text[:i])
		other.send(request("/", "")).expect("front /? y")
		c.send(text[i:]).expect("front /a? y one", "front /b?", "front /c? y", "net/http /pass? y four", "net/http /e? y five")
		_ = c.Close()
	}
	large := request("/large", strings.Repeat("x", 60<<10))
	c := s.dial()
	for i := 0; i < len(large); i += 5 << 10 {
		c.send(large[i:min(len(large), i+5<<10)])
		other.send(request("/", "")).expect("front /? y")
	}
	if got := c.answer(); !strings.HasPrefix(got, "front /large? y xxx") {
		t.Errorf("%.40q", got)
	}
}

func TestAnAnswerIsWrittenAsNetHTTPWritesIt(t *testing.T) {
	s := start(t, http1.Options{})
	date := regexp.MustCompile(`Date: (\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)\r`)
	for _, path := range []string{"/a", "//a"} {
		b, err := io.ReadAll(s.dial().send("POST " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nz"))
		if err != nil {
			t.Fatal(err)
		}
		got := date.FindStringSubmatch(string(b))
		if got == nil {
			t.Fatalf("%q", b)
		}
		if at, err := time.Parse(http.TimeFormat, got[1]); err != nil || time.Since(at) > patience {
			t.Error(at, err)
		}
		by := map[string]string{"/a": "front /a?  z\n", "//a": "net/http //a?  z\n"}[path]
		want := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", got[1], len(by), by)
		if string(b) != want {
			t.Errorf("%q, want %q", b, want)
		}
	}
}

func TestARoundIsToldOnce(t *testing.T) {
	s := start(t, http1.Options{})
	const n = 100
	c := s.dial().send(strings.Repeat(request("/a", "x"), n))
	for range n {
		c.expect("front /a? y x")
	}
	s.end(nil)
	if served, rounds := s.handler.served.Load(), s.handler.rounds.Load(); served != n || rounds < 1 || rounds > n/10 {
		t.Errorf("%d requests in %d rounds", served, rounds)
	}
}

func TestClientsThatRestAreCut(t *testing.T) {
	const half = "POST /pass HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"
	for name, c := range map[string]struct {
		options http1.Options
		sent    string
		want    string
	}{
		"silent":                    {http1.Options{HeaderTimeout: short}, "", ""},
		"half a header":             {http1.Options{HeaderTimeout: short}, "POST / HT", "400 Bad Request"},
		"half a header, unusual":    {http1.Options{HeaderTimeout: short}, "PUT / HT", "400 Bad Request"},
		"after an answer":           {http1.Options{IdleTimeout: short}, request("/a", ""), "front /a? y"},
		"half a header, afterwards": {http1.Options{HeaderTimeout: short}, request("/a", "") + "POST / HT", "400 Bad Request"},
		"half a body":               {http1.Options{}, half, "i/o timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := io.ReadAll(start(t, c.options).dial().send(c.sent))
			if got := strings.TrimSpace(string(b)); errors.Is(err, os.ErrDeadlineExceeded) || !strings.HasSuffix(got, c.want) || c.want == "" && got != "" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestEndingInTheMiddleIsForNetHTTP(t *testing.T) {
	c := start(t, http1.Options{}).dial().send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.expect("unexpected EOF")
}

func TestAClientThatDoesNotReadIsWaitedFor(t *testing.T) {
	s := start(t, http1.Options{})
	c, text := s.dial(), strings.Repeat(request("/large", "x"), 8)+request("/pass", "y")+request("/a", "z")
	c.send(text)
	for range 8 {
		if got := c.answer(); got != "front /large? y x" {
			t.Fatalf("%.40q", got)
		}
	}
	c.expect("net/http /pass? y y", "net/http /a? y z")

	s = start(t, http1.Options{WriteTimeout: short})
	c = s.dial().send(text)
	for s.handler.served.Load() < 8 {
		runtime.Gosched()
	}
	if n, err := io.Copy(io.Discard, waiting{c, s}); errors.Is(err, os.ErrDeadlineExceeded) || n >= 8<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// waiting reads nothing until the server has closed its connections.
type waiting struct {
	*client
	s *server
}

func (w waiting) Read(b []byte) (int, error) {
	for openTo(w.t, w.s.addr) > 0 {
		runtime.Gosched()
	}
	return w.client.Read(b)
}

func TestATakenConnectionBelongsToItsHandler(t *testing.T) {
	s := start(t, http1.Options{})
	c := s.dial().send(request("/a", "first") + "GET /take HTTP/1.1\r\nHost: x\r\n\r\nGET /more")
	c.expect("front /a? y first")
	fd := <-s.handler.taken
	s.end(nil) // which leaves it open
	for text := range strings.SplitSeq("one two", " ") {
		if n, err := poll.Write(fd, []byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := errors.Join(poll.EndWriting(fd), poll.CloseSocket(fd)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len("onetwo"))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "onetwo" {
		t.Errorf("%q, %v", b, err)
	}
}
