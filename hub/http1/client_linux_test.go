package http1_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/http1"
)

// patience bounds the wait for one state. It is many times what a slow and busy machine takes, and only a failing test waits so long.
const patience = 2 * time.Minute

// handler answers what asks for it, and counts.
type handler struct {
	served, rounds atomic.Int64
	taken          chan int
	blocked        chan struct{} // a loop, until it is received from
}

func (h *handler) Serve(r *http1.Request, to []byte) ([]byte, http1.Verdict) {
	switch {
	case string(r.Path) == "/pass", string(r.Path) == "/hurry":
		return nil, http1.Pass
	case string(r.Path) == "/empty":
		r.Close = true
		return r.AppendAnswer(to, 204, nil), http1.Answered
	case string(r.Path) == "/take":
		fd, ok := r.Take()
		if !ok {
			return nil, http1.Pass
		}
		h.taken <- fd
		return nil, http1.Taken
	case string(r.Path) == "/panic":
		panic("this is expected")
	case string(r.Path) == "/block":
		h.blocked <- struct{}{}
		h.blocked <- struct{}{}
	}
	h.served.Add(1)
	body := fmt.Appendf(nil, "front %s?%s %s %s\n", r.Path, r.RawQuery, r.Header("x"), r.Body)
	if string(r.Path) == "/large" {
		body = append(body, bytes.Repeat(append(r.Body, ' ')[:1], 1<<20)...)
	}
	return r.AppendAnswer(to, 200, body, http1.Field{Name: "Content-Type", Value: "text/plain"}), http1.Answered
}

func (h *handler) Rounded() { h.rounds.Add(1) }

// ServeHTTP is net/http's side.
func (*handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/hurry" {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(short))
	}
	if r.URL.Path == "//empty" {
		w.WriteHeader(http.StatusNoContent)
		return
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

// oneLoop makes the fronts of a test have one: what it answers to one client, it does after it has read what another sent before.
func oneLoop(t testing.TB) {
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// start serves a front to which no request comes too slowly.
func start(t testing.TB, o http1.Options) *server {
	t.Helper()
	return startBy(t, o, func(f *http1.Front) { f.WithWholeWithin(time.Hour) })
}

// startBy is start for a front that is changed otherwise before it serves.
func startBy(t testing.TB, o http1.Options, change func(*http1.Front)) *server {
	t.Helper()
	ln := listen(t)
	s := &server{handler: &handler{taken: make(chan int, 1), blocked: make(chan struct{})}, t: t, addr: ln.Addr().String(), served: make(chan error, 2), log: make(chan string, 100)}
	o.HeaderTimeout, o.IdleTimeout, o.WriteTimeout = cmp.Or(o.HeaderTimeout, time.Hour), cmp.Or(o.IdleTimeout, time.Hour), cmp.Or(o.WriteTimeout, time.Hour)
	o.Panicked = func(value any) { s.say(fmt.Sprintf("%v\n%s", value, debug.Stack())) }
	o.Failed = func(err error) { s.say(err.Error()) }
	var err error
	if s.Front, err = http1.New(ln, s.handler, o); err != nil {
		t.Fatal(err)
	}
	change(s.Front)
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s.behind = &http.Server{Handler: s.handler, Protocols: protocols, ReadHeaderTimeout: o.HeaderTimeout}
	go func() { s.served <- s.Serve() }()
	go func() { s.served <- s.behind.Serve(s.Passed()) }()
	t.Cleanup(func() { s.end(nil) })
	return s
}

// say takes what the front tells.
func (s *server) say(text string) {
	select {
	case s.log <- text:
	default:
	}
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
		// A front that is closed before it serves says so.
		if err := <-s.served; err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
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

// response returns the next answer, and its body without the space around it.
func (c *client) response() (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.Reader, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, strings.TrimSpace(string(b))
}

// answer returns the body of the next answer, without the space around it.
func (c *client) answer() string {
	c.t.Helper()
	_, body := c.response()
	return body
}

// large fails unless the next answers are to requests for /large with a letter as their body.
func (c *client) large(n int, letter string) {
	c.t.Helper()
	for range n {
		if got := c.answer(); strings.TrimRight(got, letter) != "front /large? y "+letter+"\n" {
			c.t.Fatalf("%.40q, want %s", got, letter)
		}
	}
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

// ends fails unless the connection ends now, and is not reset.
func (c *client) ends() {
	c.t.Helper()
	if b, err := io.ReadAll(c.Reader); err != nil || len(b) > 0 {
		c.t.Errorf("%q, %v", b, err)
	}
}

func request(target, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nX: y\r\nContent-Length: %d\r\n\r\n%s", target, len(body), body)
}
