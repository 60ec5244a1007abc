package fanout

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

func sels(t testing.TB, ss ...string) (out []event.Selector) {
	t.Helper()
	for _, s := range ss {
		sel, err := event.ParseSelector(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sel)
	}
	return out
}

// patience bounds the wait for one state. It is many times what a slow and busy machine takes, and only a failing test waits so long.
const patience = 2 * time.Minute

type counts struct {
	mu    sync.Mutex
	gaps  []eventlog.Reason
	ended []Reason
}

func (c *counts) Delivered(int, int) {}
func (c *counts) Gap(r eventlog.Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gaps = append(c.gaps, r)
}
func (c *counts) Ended(r Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, r)
}

func (c *counts) reasons() []Reason {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ended)
}

// recorder is a connection that keeps what it took; hold stops it from taking more.
type recorder struct {
	mu    sync.Mutex
	text  strings.Builder
	hold  sync.Mutex
	begun atomic.Int64 // writes, also one that waits for hold
	news  chan struct{}
}

func newRecorder() *recorder { return &recorder{news: make(chan struct{}, 1)} }

func (r *recorder) Write(b []byte) error {
	r.begun.Add(1)
	r.hold.Lock()
	defer r.hold.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.Write(b)
	select {
	case r.news <- struct{}{}:
	default:
	}
	return nil
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// until waits for a state of what was written, as long as more is written.
func (r *recorder) until(t testing.TB, what string, ok func(string) bool) {
	t.Helper()
	for !ok(r.String()) {
		select {
		case <-r.news:
		case <-time.After(patience):
			got := r.String()
			t.Fatalf("%s: not in %d bytes, which end with %q", what, len(got), got[max(0, len(got)-1000):])
		}
	}
}

func contains(s string) func(string) bool {
	return func(got string) bool { return strings.Contains(got, s) }
}

type hub struct {
	t testing.TB
	// attached lets readers have a socket in place of a Sink.
	attached bool
	log      *eventlog.Memory
	pool     *Pool
	seen     *counts
	wg       sync.WaitGroup
}

func newHub(t testing.TB, events int, s Settings) *hub {
	log := eventlog.NewMemory([]eventlog.Rule{{Selector: sels(t, ">")[0], Events: events, Age: time.Hour}}, 1<<30, 0)
	h := &hub{t: t, log: log, seen: &counts{}}
	var err error
	if h.pool, err = New(log, s, h.seen); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.pool.Drain(0)
		h.wg.Wait()
		h.pool.Close()
		if n := h.pool.Readers(); n != 0 {
			t.Errorf("%d readers are left", n)
		}
	})
	return h
}

var calm = Settings{Heartbeat: time.Hour, Delay: time.Second, MaxAge: time.Hour, Stall: time.Hour}

// paths runs a test over both paths.
func paths(t *testing.T, test func(t *testing.T, attached bool)) {
	t.Run("served", func(t *testing.T) { test(t, false) })
	t.Run("attached", func(t *testing.T) { test(t, true) })
}

func (h *hub) publish(topic, data string) {
	if _, err := h.log.Append(&event.Event{Topic: topic, Data: []byte(data)}); err != nil {
		h.t.Error(err)
	}
	h.log.Announce()
}

func (h *hub) read(to *recorder, cursor string, selectors ...string) {
	h.readAs(to, Reader{}, Beginning{Requested: cursor}, selectors...)
}

func (h *hub) readAs(to *recorder, asked Reader, begin Beginning, selectors ...string) {
	sub, opening, err := h.log.Subscribe(sels(h.t, selectors...), eventlog.Start{Cursor: begin.Requested})
	if err != nil {
		h.t.Fatal(err)
	}
	asked.Sub, begin.Opening = sub, opening
	h.serve(to, asked, begin)
}

func (h *hub) serve(to Sink, asked Reader, begin Beginning) {
	if r, ok := to.(*recorder); ok && h.attached {
		socket, client := sockets(h.t)
		h.wg.Go(func() { r.readChunks(h.t, client) })
		h.wg.Add(1)
		asked.Owner = attachedOwner{asked.Owner, h.wg.Done}
		begin.Chunked = true
		h.pool.Attach(socket, asked, begin)
		return
	}
	h.wg.Go(func() { h.pool.Serve(context.Background(), to, asked, begin) })
}

func TestOpensThenDelivers(t *testing.T) { paths(t, testOpensThenDelivers) }

func testOpensThenDelivers(t *testing.T, attached bool) {
	h := newHub(t, 10, calm)
	h.attached = attached
	r := newRecorder()
	h.read(r, "", "a.*")
	r.until(t, "open", contains(`"resume":"live"`))
	h.publish("a.b", "one")
	h.publish("b", "other")
	h.publish("a.c", "two")
	r.until(t, "events", contains("data: two\n\n"))
	_, events, _ := strings.Cut(r.String(), "\n\n")
	if want := fmt.Sprintf("id: %[1]s-1\ndata: one\n\nid: %[1]s-3\ndata: two\n\n", h.log.Epoch()); events != want {
		t.Errorf("%q, want %q", events, want)
	}
}

func TestEventsBeforeALoopBeginsWakeReaders(t *testing.T) {
	h := newHub(t, 10, calm)
	sub, _, err := h.log.Subscribe(sels(t, "a"), eventlog.Start{})
	if err != nil {
		t.Fatal(err)
	}
	s := newShard(h.pool, nil)
	h.log.Notify(s.news)
	r := h.pool.newReader(Reader{Sub: sub}, Beginning{})
	r.wake = make(chan struct{}, 1)
	s.add(r)
	h.publish("a", "first")
	ctx, stop := context.WithCancel(context.Background())
	h.wg.Go(func() { s.run(ctx) })
	defer stop()
	select {
	case <-r.wake:
	case <-time.After(patience):
		t.Error("the reader sleeps on")
	}
}

func TestGapCarriesTheCursor(t *testing.T) { paths(t, testGapCarriesTheCursor) }

func testGapCarriesTheCursor(t *testing.T, attached bool) {
	h := newHub(t, 1, calm)
	h.attached = attached
	h.publish("a", "1")
	h.publish("a", "2")
	r := newRecorder()
	h.read(r, h.log.Epoch()+"-0", "a")
	r.until(t, "event", contains("data: 2"))
	open, rest, _ := strings.Cut(r.String(), "\n\n")
	if strings.Contains(open, "\nid:") || !strings.Contains(open, `"resume":"gap"`) {
		t.Errorf("open moves the cursor: %q", open)
	}
	if want := fmt.Sprintf("event: runnel-gap\nid: %[1]s-1\ndata: {\"requested\":\"%[1]s-0\",\"resumedAt\":\"%[1]s-1\",\"reason\":\"evicted\",\"topics\":[\"a\"]}\n\n", h.log.Epoch()); !strings.HasPrefix(rest, want) {
		t.Errorf("%q, want %q", rest, want)
	}
}

func TestHeartbeatOnlyInSilence(t *testing.T) { paths(t, testHeartbeatOnlyInSilence) }

func testHeartbeatOnlyInSilence(t *testing.T, attached bool) {
	h := newHub(t, 10, Settings{Heartbeat: 2 * tick, Delay: time.Second, MaxAge: time.Hour, Stall: time.Hour})
	h.attached = attached
	r := newRecorder()
	h.read(r, "", "a")
	r.until(t, "heartbeats", contains("\n\n:\n:\n"))
}

func TestMaxAge(t *testing.T) { paths(t, testMaxAge) }

func testMaxAge(t *testing.T, attached bool) {
	h := newHub(t, 10, Settings{Heartbeat: time.Hour, Delay: time.Second, MaxAge: 3 * tick, Stall: time.Hour})
	h.attached = attached
	r := newRecorder()
	h.read(r, "", "a")
	h.wg.Wait()
	if !strings.Contains(r.String(), `"reason":"max_age","reconnect":true`) || !slices.Equal(h.seen.ended, []Reason{ReasonMaxAge}) {
		t.Errorf("%q, ended %v", r, h.seen.ended)
	}
}

func TestSettingsReachConnectedReaders(t *testing.T) { paths(t, testSettingsReachConnectedReaders) }

func testSettingsReachConnectedReaders(t *testing.T, attached bool) {
	h := newHub(t, 10, calm)
	h.attached = attached
	r := newRecorder()
	h.read(r, "", "a")
	r.until(t, "open", contains("runnel-open"))
	h.pool.Configure(Settings{Heartbeat: tick, Delay: time.Second, MaxAge: time.Hour, Stall: time.Hour})
	r.until(t, "heartbeat", contains("\n\n:\n"))
}

func TestReadersOfWhatIsRemovedEnd(t *testing.T) { paths(t, testReadersOfWhatIsRemovedEnd) }

func testReadersOfWhatIsRemovedEnd(t *testing.T, attached bool) {
	h := newHub(t, 10, calm)
	h.attached = attached
	gone, stays, late := newRecorder(), newRecorder(), newRecorder()
	h.read(gone, "", "a")
	h.read(stays, "", "b")
	gone.until(t, "open", contains("runnel-open"))
	sub, opening, err := h.log.Subscribe(sels(t, "a"), eventlog.Start{})
	if err != nil {
		t.Fatal(err)
	}
	h.log.Configure([]eventlog.Rule{{Selector: sels(t, "b")[0], Events: 10, Age: time.Hour}}, 1<<30)
	h.pool.EndRemoved()
	gone.until(t, "close", contains(`"reason":"gone","reconnect":false`))
	h.serve(late, Reader{Sub: sub}, Beginning{Opening: opening})
	late.until(t, "close of one that came meanwhile", contains(`"reason":"gone","reconnect":false`))
	h.publish("b", "still here")
	stays.until(t, "event", contains("still here"))
}

func TestSlowReaderIsToldAndThenCut(t *testing.T) {
	h := newHub(t, 2, calm)
	slow, fast := newRecorder(), newRecorder()
	h.read(slow, "", "a")
	h.read(fast, "", "a")
	slow.until(t, "open", contains("runnel-open"))
	slow.hold.Lock()
	before := slow.begun.Load()
	for i := range 10 {
		h.publish("a", fmt.Sprint("event ", i))
		fast.until(t, "event", contains(fmt.Sprint("data: event ", i)))
		for end := time.Now().Add(patience); slow.begun.Load() == before; time.Sleep(time.Millisecond) { // with the first event
			if time.Now().After(end) {
				t.Fatal("the slow reader is not written to")
			}
		}
	}
	slow.hold.Unlock()
	slow.until(t, "newest", contains("data: event 9"))
	if !strings.Contains(slow.String(), `"reason":"overflow","topics":["a"]`) || strings.Contains(slow.String(), "event 5") {
		t.Errorf("%q", slow)
	}
	if strings.Contains(fast.String(), "runnel-gap") {
		t.Errorf("the fast reader was told of a gap: %q", fast)
	}
}

func TestRefusalLeavesTheCursorAlone(t *testing.T) {
	h := newHub(t, 2, calm)
	r := newRecorder()
	if err := h.pool.Refuse(r, false); err != nil {
		t.Fatal(err)
	}
	if got := r.String(); strings.Contains(got, "id:") || !strings.Contains(got, `"reason":"overloaded","reconnect":true`) {
		t.Errorf("%q", got)
	}
	quiet := newRecorder()
	if err := h.pool.Refuse(quiet, true); err != nil {
		t.Fatal(err)
	}
	if got := quiet.String(); !regexp.MustCompile(`^retry: \d+\n$`).MatchString(got) {
		t.Errorf("quiet: %q", got)
	}
}

// sluggish takes each write only after the hub has published more than the log retains.
type sluggish struct {
	*recorder
	hub *hub
}

func (s *sluggish) Write(b []byte) error {
	for i := range 60 {
		s.hub.publish("a", fmt.Sprint(i, strings.Repeat("x", 4<<10)))
	}
	return s.recorder.Write(b)
}

func TestReaderThatNeverCatchesUpIsClosed(t *testing.T) {
	h := newHub(t, 50, calm) // three writes of batchBytes
	r := &sluggish{newRecorder(), h}
	sub, opening, err := h.log.Subscribe(sels(t, "a"), eventlog.Start{})
	if err != nil {
		t.Fatal(err)
	}
	h.serve(r, Reader{Sub: sub}, Beginning{Opening: opening})
	h.wg.Wait()
	if got := r.String(); strings.Count(got, `"reason":"overflow"`) < maxOverflows || !strings.Contains(got, `"reason":"slow_consumer","reconnect":true`) {
		t.Errorf("%d bytes, the end %q", len(got), got[max(0, len(got)-300):])
	}
	if !slices.Equal(h.seen.ended, []Reason{ReasonSlow}) {
		t.Errorf("ended %v", h.seen.ended)
	}
}
