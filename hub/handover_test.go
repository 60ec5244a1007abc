package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
)

// ledger is what publishers were told.
type ledger struct {
	mu   sync.Mutex
	acks map[string]string // what was sent, by its event's id
}

func (l *ledger) note(t *testing.T, id, sent string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.acks == nil {
		l.acks = map[string]string{}
	}
	if before, twice := l.acks[id]; twice {
		t.Errorf("%s is the id of %s and of %s", id, before, sent)
	}
	l.acks[id] = sent
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acks)
}

// postVia publishes as a client that keeps its connection, and returns the answer.
func postVia(via *http.Client, url, contentType, body string) (int, string, error) {
	resp, err := via.Post(url, contentType, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// publishers send until they are stopped, one event after the other, in several forms. Each event says who sent it and which it is.
func (f *front) publishers(t *testing.T, n int, l *ledger) (stop func()) {
	var over atomic.Bool
	var work sync.WaitGroup
	for who := range n {
		work.Go(func() {
			via := &http.Client{Transport: &http.Transport{}}
			defer via.CloseIdleConnections()
			for i := 0; !over.Load() && !t.Failed(); i++ {
				f.send(t, via, who, i, l)
			}
		})
	}
	return func() {
		over.Store(true)
		work.Wait()
	}
}

func (f *front) send(t *testing.T, via *http.Client, who, i int, l *ledger) {
	p, answered := f.pick()
	defer answered()
	base := "http://" + p.Addrs().Publish
	sent := fmt.Sprintf("%d/%d", who, i)
	var status int
	var body string
	var err error
	switch i % 4 {
	case 0: // without an id
		status, body, err = postVia(via, base+"/v1/topics/load."+fmt.Sprint(who), "text/plain", sent)
	case 1:
		status, body, err = postVia(via, base+"/v1/topics/load."+fmt.Sprint(who)+"?id="+fmt.Sprint(i), "text/plain", sent)
	case 2:
		status, body, err = postVia(via, base+"/v1/publish", "application/json", fmt.Sprintf(`{"topic":"load.%d","id":"%d","data":%q}`, who, i, sent))
	case 3:
		var lines strings.Builder
		for line := range 5 {
			fmt.Fprintf(&lines, `{"topic":"load.%d","data":"%s/%d"}`+"\n", who, sent, line)
		}
		status, body, err = postVia(via, base+"/v1/publish", linesType, lines.String())
	}
	if err != nil || status != 200 {
		t.Errorf("%s: %v, %d %s", sent, err, status, body)
		return
	}
	for line, text := range strings.Split(strings.TrimSpace(body), "\n") {
		var a struct {
			ID        string
			Duplicate bool
			Error     any
		}
		if err := json.Unmarshal([]byte(text), &a); err != nil || a.ID == "" || a.Duplicate || a.Error != nil {
			t.Errorf("%s: %s", sent, text)
		}
		if i%4 == 3 {
			l.note(t, a.ID, fmt.Sprintf("%s/%d", sent, line))
			continue
		}
		l.note(t, a.ID, sent)
	}
}

// witness is a reader that comes back whenever it is let go, as a browser does.
type witness struct {
	seen    []string // ids, in their order
	data    map[string]string
	resumes map[string]int
	closed  []string
}

// watch reads all topics until it has an event with data "end".
func (f *front) watch(t *testing.T, w *witness) {
	w.data, w.resumes = map[string]string{}, map[string]int{}
	cursor := ""
	via := &http.Transport{DisableKeepAlives: true}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // of several states
		p, answered := f.pick()
		r, err := http.NewRequestWithContext(ctx, "GET", p.url(q("topic", "load.*")), nil)
		if err != nil {
			t.Error(err)
		}
		r.Header.Set("Last-Event-ID", cursor)
		resp, err := via.RoundTrip(r)
		answered()
		if err != nil {
			cancel()
			t.Errorf("a reader is not answered: %v", err)
			return
		}
		if resp.StatusCode != 200 {
			t.Errorf("a reader is answered %d", resp.StatusCode)
		}
		over := false
		err = parseUntil(resp.Body, func(e sse) error {
			switch {
			case e.typ == "runnel-open":
				var o struct{ Resume string }
				_ = json.Unmarshal([]byte(e.data), &o)
				w.resumes[o.Resume]++
			case strings.HasPrefix(e.typ, "runnel-"):
				w.closed = append(w.closed, e.typ+" "+e.data)
			case e.data == "end":
				over = true
				return io.EOF
			default:
				w.seen = append(w.seen, e.id)
				w.data[e.id] = e.data
			}
			if e.id != "" {
				cursor = e.id
			}
			return nil
		})
		cancel()
		_ = resp.Body.Close()
		if over {
			return
		}
		if err != nil {
			t.Errorf("a stream broke: %v", err)
			return
		}
	}
}

// check holds what a reader saw against what publishers were told.
func (w *witness) check(t *testing.T, l *ledger) {
	t.Helper()
	for i, id := range w.seen {
		at, ok := event.ParseID(id)
		if !ok {
			t.Fatalf("%s is no id", id)
		}
		if i > 0 {
			before, _ := event.ParseID(w.seen[i-1])
			if at.Epoch != before.Epoch || at.Seq != before.Seq+1 {
				t.Fatalf("%s follows %s", id, w.seen[i-1])
			}
		}
		if l.acks[id] != w.data[id] {
			t.Fatalf("%s is %q, its publisher sent %q", id, w.data[id], l.acks[id])
		}
	}
	if len(w.seen) != len(l.acks) {
		t.Errorf("a reader saw %d of %d events", len(w.seen), len(l.acks))
	}
	if w.resumes["live"] != 1 || w.resumes["gap"]+w.resumes["reset"] > 0 {
		t.Errorf("resumes are %v, closes %v", w.resumes, w.closed)
	}
}

// TestHandoversUnderLoadLoseNothing has hubs replace each other while publishers send through all that are ready and readers come back to
// any of them.
func TestHandoversUnderLoadLoseNothing(t *testing.T) {
	s := newStream(t, func(c *config.Config) {
		c.Drain.Window = config.Duration(100 * time.Millisecond)
		c.Reconnect.Delay = config.Duration(100 * time.Millisecond)
	})
	var f front
	var l ledger
	s.times.Endpoints = time.Hour // but for the last one
	old := s.ready()
	epoch := old.Status().Epoch
	f.set(old)
	witnesses := make([]witness, 6)
	var reading sync.WaitGroup
	for i := range witnesses {
		reading.Go(func() { f.watch(t, &witnesses[i]) })
	}
	old.readersAre(len(witnesses))
	stop := f.publishers(t, 4, &l)
	published := func(more int) {
		t.Helper()
		enough := l.count() + more
		old.until("published to", func() bool { return l.count() >= enough || t.Failed() })
	}
	for i := range 3 {
		published(200)
		if i == 2 {
			s.times.Endpoints = 0
		}
		next := s.ready()
		if h := next.Status().Handover; h == nil || h.Result != "taken_over" || h.From != old.way.address() {
			t.Errorf("the new hub says %+v", h)
		}
		f.set(old, next) // both are endpoints for a while
		published(200)
		if got := metrics(t, old.server); strings.Contains(got, "runnel_hub_forwarded_events_total 0\n") || !strings.Contains(got, `runnel_hub_role{role="following"} 1`) ||
			!strings.Contains(got, `runnel_hub_handovers_total{result="given"} 1`) {
			t.Error("the old hub has passed nothing on")
		}
		old.stop()
		old.untilReady(http.StatusServiceUnavailable)
		published(100) // also by the hub that is about to end
		f.set(next)
		s.unlist(old.way.address())
		old.until("left alone", func() bool { return f.answered(old) })
		old.endNow()
		next.readersAre(len(witnesses)) // or one of them may miss a hand-over
		old = next
	}
	stop()
	old.publish("load.0", "end")
	reading.Wait()
	if got := old.Status(); got.Epoch != epoch || got.Seq != uint64(l.count())+1 || got.Role != "leading" {
		t.Errorf("after %d events of epoch %s the hub says %+v", l.count(), epoch, got)
	}
	for i := range witnesses {
		witnesses[i].check(t, &l)
		if witnesses[i].resumes["exact"] < 3 {
			t.Errorf("a reader resumed %v, closes %v", witnesses[i].resumes, witnesses[i].closed)
		}
	}
}
