package dev

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// running is a runnel dev of a test.
type running struct {
	path string
	out  *screen
	// urls of the subscribe, publish and admin addresses that were printed.
	subscribe, publish, admin string
	stop                      context.CancelFunc
	ended                     chan error
}

// start runs a manifest on picked ports, and ends it with the test.
func start(t *testing.T, text string, insecurePublish bool) *running {
	t.Helper()
	return startWith(t, text, Options{InsecurePublish: insecurePublish})
}

func startWith(t *testing.T, text string, o Options) *running {
	t.Helper()
	r := &running{path: filepath.Join(t.TempDir(), "f.yaml"), out: newScreen(), ended: make(chan error, 1)}
	write(t, r.path, text)
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() {
		const pick = "127.0.0.1:0"
		o.Filename, o.SubscribeAddr, o.PublishAddr, o.AdminAddr, o.Out = r.path, pick, pick, pick, r.out
		r.ended <- Run(ctx, o)
		close(r.ended)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	})
	text = r.out.await(t, "Ctrl-C ends it")
	for name, url := range map[string]*string{"subscribe": &r.subscribe, "publish": &r.publish, "admin": &r.admin} {
		found := regexp.MustCompile(name + ` +(http://127\.0\.0\.1:[1-9][0-9]*)\n`).FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("no address for %s is printed in\n%s", name, text)
		}
		*url = found[1]
	}
	return r
}

// post publishes and returns the status.
func (r *running) post(t *testing.T, topic, data string) int {
	t.Helper()
	response, err := http.Post(r.publish+"/v1/topics/"+topic, "text/plain", strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// events opens a stream and returns its lines; the channel is closed by a clean end of the stream.
func (r *running) events(t *testing.T, topic string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.subscribe+"/v1/events?topic="+topic, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", request.URL, response.Status)
	}
	lines, read := make(chan string, 64), make(chan struct{})
	go func() {
		defer close(read)
		s := bufio.NewScanner(response.Body)
		for s.Scan() {
			lines <- s.Text()
		}
		if s.Err() == nil {
			close(lines)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-read
		_ = response.Body.Close() // read to its end or cancelled
	})
	awaitLine(t, lines, "event: runnel-open")
	return lines
}

// awaitLine reads on to a line that begins like this.
func awaitLine(t *testing.T, lines <-chan string, prefix string) {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case l, open := <-lines:
			if !open {
				t.Fatalf("the stream ended before %q", prefix)
			}
			if strings.HasPrefix(l, prefix) {
				return
			}
		case <-limit:
			t.Fatalf("no line %q came", prefix)
		}
	}
}

func TestPublishedEventArrives(t *testing.T) {
	r := start(t, stream("topics: [{name: orders}]"), true)
	lines := r.events(t, "orders")
	if got := r.post(t, "orders", "hello"); got != http.StatusOK {
		t.Fatalf("publish: %d", got)
	}
	awaitLine(t, lines, "data: hello")
}

func TestChangeOfTheFileReachesTheHubAndKeepsItsReaders(t *testing.T) {
	r := start(t, stream("topics: [{name: orders}]"), true)
	lines := r.events(t, "orders")
	if got := r.post(t, "tickets", "early"); got != http.StatusNotFound {
		t.Fatalf("publish to a topic that is not declared yet: %d", got)
	}
	write(t, r.path, stream("topics: [{name: orders}, {name: tickets}]"))
	r.out.await(t, "Reloaded: topic tickets added.")
	if got := r.post(t, "tickets", "now"); got != http.StatusOK {
		t.Errorf("publish to the new topic: %d", got)
	}
	r.post(t, "orders", "after the reload")
	awaitLine(t, lines, "data: after the reload")
}

func TestRefusedChangeLeavesTheHubAsItWas(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"by the schema":   {stream("topics: [{name: orders}]", "heartbeat: {interval: 1ms}"), "spec.heartbeat.interval"},
		"by the operator": {stream("topics: [{name: orders}]", "retention: {bytes: 1Mi}", "limits: {maxEventSize: 4Mi}"), "cannot be carried out"},
		"as another one":  {strings.Replace(stream("topics: [{name: orders}]"), "shop", "desk", 1), "another EventStream"},
		"as no YAML":      {"a: [\n", "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, stream("topics: [{name: orders}]"), true)
			lines := r.events(t, "orders")
			write(t, r.path, c.text)
			r.out.await(t, "Refused, and what ran before goes on: ")
			r.out.await(t, c.want) // which may come second: the file is empty for a moment, and that is refused, too
			r.post(t, "orders", "still here")
			awaitLine(t, lines, "data: still here")
			write(t, r.path, stream("topics: [{name: orders}, {name: mended}]"))
			r.out.await(t, "Reloaded: topic mended added.")
		})
	}
}

func TestRemovedFileLeavesTheHubAsItWas(t *testing.T) {
	r := start(t, stream("topics: [{name: orders}]"), true)
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	r.out.await(t, "is taken up when it is back")
	if got := r.post(t, "orders", "x"); got != http.StatusOK {
		t.Errorf("publish: %d", got)
	}
}

func TestEndDrainsReadersCleanly(t *testing.T) {
	r := start(t, stream("topics: [{name: orders}]", "drain: {window: 10m}"), true)
	lines := r.events(t, "orders")
	r.stop()
	awaitLine(t, lines, "event: runnel-close")
	awaitLine(t, lines, `data: {"reason":"drain"`)
	for {
		select {
		case _, open := <-lines:
			if !open {
				if err := next(t, r.ended); err != nil {
					t.Errorf("Run: %v", err)
				}
				return
			}
		case <-time.After(patience):
			t.Fatal("the stream did not end, or not cleanly")
		}
	}
}

func TestWithoutTokensNobodyPublishes(t *testing.T) {
	r := start(t, stream("topics: [{name: orders}]"), false)
	if got := r.post(t, "orders", "x"); got < 400 {
		t.Errorf("publish without a token: %d", got)
	}
	r.out.await(t, "start with --insecure-publish")
}

func TestAdminIsServed(t *testing.T) {
	r := start(t, stream("topics: [{name: orders}]"), true)
	response, err := http.Get(r.admin + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Errorf("readyz: %s", response.Status)
	}
}

func TestDoesNotStart(t *testing.T) {
	taken := start(t, stream("topics: [{name: orders}]"), true)
	path := filepath.Join(t.TempDir(), "f.yaml")
	const pick = "127.0.0.1:0"
	for name, c := range map[string]struct {
		text, subscribe, want string
	}{
		"a refused manifest":  {stream("topics: []"), pick, "spec.topics"},
		"an address in use":   {stream("topics: [{name: a}]"), strings.TrimPrefix(taken.subscribe, "http://"), "address already in use"},
		"no manifest at all":  {"", pick, "holds no EventStream"},
		"an address not ours": {stream("topics: [{name: a}]"), "192.0.2.1:0", "192.0.2.1"}, // TEST-NET-1, RFC 5737
	} {
		t.Run(name, func(t *testing.T) {
			write(t, path, c.text)
			err := Run(t.Context(), Options{Filename: path, SubscribeAddr: c.subscribe, PublishAddr: pick, AdminAddr: pick, Out: io.Discard})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// screen is what a person would see.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed by each write, and replaced
}

func newScreen() *screen { return &screen{more: make(chan struct{})} }

// Write adds to the screen.
func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.more)
	s.more = make(chan struct{})
	return s.text.Write(b)
}

// await waits until the screen shows a text, and returns all of it.
func (s *screen) await(t *testing.T, want string) string {
	t.Helper()
	return s.awaitUntil(t, want, func(text string) bool { return strings.Contains(text, want) })
}

func (s *screen) awaitUntil(t *testing.T, want string, shows func(text string) bool) string {
	t.Helper()
	limit := time.After(patience)
	for {
		s.mu.Lock()
		text, more := s.text.String(), s.more
		s.mu.Unlock()
		if shows(text) {
			return text
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("never printed %q, but\n%s", want, text)
		}
	}
}

// patience bounds the wait for one state. It is many times what a slow and busy machine takes, and only a failing test waits so long.
const patience = 2 * time.Minute

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
