package hub_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

// patience bounds the wait for one state. It is many times what a slow and busy machine takes, and only a failing test waits so long.
const patience = 2 * time.Minute

func base() *config.Config {
	return &config.Config{
		Version: config.Version,
		Stream:  config.Stream{Namespace: "team-a", Name: "shop"},
		Topics: []config.Topic{
			{Name: "orders", Events: 100, Age: config.Duration(time.Hour)},
			{Name: "last", Events: 1, Age: config.Duration(time.Hour)},
			{Name: "prices.*", Events: 100, Age: config.Duration(time.Hour)},
		},
		Retention: config.Retention{Bytes: 64 << 20},
		Heartbeat: config.Heartbeat{Interval: config.Duration(15 * time.Second), Minimum: config.Duration(5 * time.Second)},
		Reconnect: config.Reconnect{Delay: config.Duration(2 * time.Second), MaxConnectionAge: config.Duration(30 * time.Minute)},
		Limits:    config.Limits{ConnectionsPerHub: 100, MaxEventSize: 4 << 10},
		Auth: config.Auth{
			Subscribers: config.Subscribers{Anonymous: &config.Anonymous{}},
			Publishers:  config.Publishers{Anonymous: &config.Anonymous{}},
		},
	}
}

// server is a hub that runs until its test ends.
type server struct {
	*hub.Hub
	t    testing.TB
	stop context.CancelFunc
	done chan error
}

func start(t testing.TB, change func(*config.Config)) *server {
	return startWith(t, hub.Options{}.WithLinger(time.Nanosecond), change) // so that a test need not wait for a gap
}

func startWith(t testing.TB, o hub.Options, change func(*config.Config)) *server {
	t.Helper()
	return startTo(t, o, change, func(*hub.Hub) {})
}

// startTo calls made between making the hub and running it.
func startTo(t testing.TB, o hub.Options, change func(*config.Config), made func(*hub.Hub)) *server {
	t.Helper()
	o.Config = base()
	if change != nil {
		change(o.Config)
	}
	o.SubscribeAddr, o.PublishAddr, o.AdminAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	o.Portable = o.Portable || portable
	o = o.WithLastRequests(time.Nanosecond) // so that a test need not wait for its hub's end
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("served the portable way: %t", o.Portable)
		}
	})
	h, err := hub.New(o)
	if err != nil {
		t.Fatal(err)
	}
	made(h)
	ctx, stop := context.WithCancel(context.Background())
	s := &server{h, t, stop, make(chan error, 1)}
	go func() { s.done <- h.Run(ctx) }()
	t.Cleanup(func() { s.end() })
	return s
}

// end stops the hub and waits for it; a second call does nothing.
func (s *server) end() {
	s.stop()
	select {
	case err, open := <-s.done:
		if err != nil {
			s.t.Errorf("the hub ended with %v", err)
		}
		if open {
			close(s.done)
		}
	case <-time.After(patience):
		s.t.Error("the hub does not end")
	}
}

// do sends a request and returns its answer, which must end.
func do(t testing.TB, method, u, body string, header ...string) (*http.Response, string) {
	t.Helper()
	resp, answer, err := tryDo(method, u, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return resp, answer
}

// tryDo is do for a request that may fail.
func tryDo(method, u, body string, header ...string) (*http.Response, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, u, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

func (s *server) publish(topic, data string) (id string) {
	s.t.Helper()
	resp, body := do(s.t, "POST", "http://"+s.Addrs().Publish+"/v1/topics/"+topic, data)
	var a struct{ ID, Topic string }
	if err := json.Unmarshal([]byte(body), &a); err != nil || resp.StatusCode != 200 || a.Topic != strings.Split(topic, "?")[0] {
		s.t.Fatalf("publish: %d %s", resp.StatusCode, body)
	}
	return a.ID
}

// readersAre waits until the hub has so many readers: it notices a moment later that one is gone.
func (s *server) readersAre(n int) {
	s.t.Helper()
	for end := time.Now().Add(patience); s.Status().Connections != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("%d readers, want %d", s.Status().Connections, n)
		}
	}
}

func (s *server) url(query string) string {
	return "http://" + s.Addrs().Subscribe + "/v1/events?" + query
}

// sse is an event as a browser would dispatch it, by the standard's rules.
type sse struct{ typ, id, data, retry string }

// reader is a connected client.
type reader struct {
	t      testing.TB
	resp   *http.Response
	events chan sse
	cancel context.CancelFunc
	err    error // of the stream's end, once events is closed
	lastID string
}

func (s *server) read(query string, header ...string) *reader {
	s.t.Helper()
	return open(s.t, http.DefaultTransport, s.url(query), header...)
}

func open(t testing.TB, via http.RoundTripper, u string, header ...string) *reader {
	t.Helper()
	c, err := tryOpen(t, via, u, header...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tryOpen is open for a request that may fail.
func tryOpen(t testing.TB, via http.RoundTripper, u string, header ...string) (*reader, error) {
	t.Helper()
	r, err := http.NewRequest("GET", u, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tryRequest(t, via, r, header...)
}

// tryRequest is tryOpen for any request.
func tryRequest(t testing.TB, via http.RoundTripper, r *http.Request, header ...string) (*reader, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r = r.WithContext(ctx)
	r.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := via.RoundTrip(r)
	if err != nil {
		cancel()
		return nil, err
	}
	c := &reader{t: t, resp: resp, events: make(chan sse, 4096), cancel: cancel}
	t.Cleanup(c.close)
	go c.run()
	return c, nil
}

func (c *reader) close() {
	c.cancel()
	for range c.events { //nolint:revive // until the reader's goroutine has ended
	}
}

func (c *reader) run() {
	defer close(c.events)
	defer func() { _ = c.resp.Body.Close() }()
	c.err = parseUntil(c.resp.Body, func(e sse) error {
		c.events <- e
		return nil
	})
}

// parseUntil dispatches events as the HTML standard says (section 9.2.6), unlike a browser also those without data, until an error.
func parseUntil(from io.Reader, dispatch func(sse) error) error {
	var e sse
	var data []string
	lines := bufio.NewReader(from)
	for {
		text, err := lines.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		text = strings.TrimSuffix(text, "\n")
		name, value, _ := strings.Cut(text, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case text == "":
			e.data = strings.Join(data, "\n")
			if err := dispatch(e); err != nil {
				return err
			}
			e, data = sse{}, nil
		case name == "event":
			e.typ = value
		case name == "id":
			e.id = value
		case name == "retry":
			e.retry = value
		case name == "data":
			data = append(data, value)
		}
	}
}

// next returns the next event; ok is false when the stream has ended.
func (c *reader) next() (e sse, ok bool) {
	c.t.Helper()
	select {
	case e, ok = <-c.events:
		if e.id != "" {
			c.lastID = e.id
		}
		return e, ok
	case <-time.After(patience):
		c.t.Fatal("no event came")
		return sse{}, false
	}
}

// expect returns the next event and fails unless it has the type, and data that holds a text.
func (c *reader) expect(typ, data string) sse {
	c.t.Helper()
	e, ok := c.next()
	if !ok || e.typ != typ || !strings.Contains(e.data, data) {
		c.t.Fatalf("got %+v (%v), want %s with %s", e, ok, typ, data)
	}
	return e
}

// ends fails unless the stream ends cleanly now.
func (c *reader) ends() {
	c.t.Helper()
	if e, ok := c.next(); ok || c.err != nil {
		c.t.Fatalf("got %+v, error %v, want a clean end", e, c.err)
	}
}

func q(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}
