package eventlog

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

func TestRetention(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory([]Rule{{sel("short"), 10, time.Second}, {sel("long"), 2, time.Minute}}, 1<<20, 0)
	m.clock = func() time.Time { return now }
	s, _ := subscribe(t, m, Start{}, ">")
	publish(t, m, "long")
	publish(t, m, "short")
	now = now.Add(time.Second)
	if b := s.Read(0, 1<<20, nil); !slices.Equal(seqs(b), []uint64{1}) || !slices.Equal(b.Lost, []string{"short"}) {
		t.Errorf("by age: %v, lost %v", seqs(b), b.Lost)
	}
	publish(t, m, "long")
	publish(t, m, "long")
	if b := s.Read(0, 1<<20, nil); !slices.Equal(seqs(b), []uint64{3, 4}) || !slices.Equal(b.Lost, []string{"long"}) {
		t.Errorf("by count: %v, lost %v", seqs(b), b.Lost)
	}
	if b := s.Read(0, 1<<20, nil); len(b.Lost) > 0 {
		t.Errorf("a loss is told once, got %v", b.Lost)
	}
	now = now.Add(time.Hour)
	m.Expire()
	if u := m.Usage(); u.Events != 0 || u.Bytes != 2*(topicOverhead+nodeOverhead)+int64(len("short")+len("long")) {
		t.Errorf("expired events are held: %+v", u)
	}
}

func TestRetentionByBytes(t *testing.T) {
	const limit = 64 << 10
	m := NewMemory(rules(1_000_000, ">"), limit, 0)
	for i := range 1000 {
		if _, err := m.Append(&event.Event{Topic: fmt.Sprintf("t%d", i%7), Data: make([]byte, i)}); err != nil {
			t.Fatal(err)
		}
		if u := m.Usage(); u.Bytes > limit {
			t.Fatalf("%d bytes after %d events", u.Bytes, i)
		}
	}
	s, _ := subscribe(t, m, Start{}, ">")
	b := s.Read(0, 1<<20, nil)
	if got := seqs(b); got[len(got)-1] != 1000 || len(got) != int(got[len(got)-1]-got[0])+1 {
		t.Errorf("the oldest go first: %v", got)
	}
}

func TestTTL(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory(rules(2, "a"), 1<<20, 0)
	m.clock = func() time.Time { return now }
	s, _ := subscribe(t, m, Start{}, "a")
	for range 2 {
		if _, err := m.Append(&event.Event{Topic: "a", TTL: time.Second}); err != nil {
			t.Fatal(err)
		}
	}
	if b := s.Read(0, 1<<20, nil); !slices.Equal(seqs(b), []uint64{1, 2}) {
		t.Errorf("fresh: %v", seqs(b))
	}
	now = now.Add(time.Second)
	publish(t, m, "a") // drops 1, whose time was over
	if b := s.Read(0, 1<<20, nil); !slices.Equal(seqs(b), []uint64{3}) || len(b.Lost) > 0 {
		t.Errorf("stale: %v, lost %v", seqs(b), b.Lost)
	}
}

func TestIDs(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory(rules(1, "a", "b"), 1<<20, 0)
	m.clock = func() time.Time { return now }
	first, err := m.Append(&event.Event{Topic: "a", ID: "k", Data: []byte("x")})
	if err != nil || first.Duplicate {
		t.Fatalf("%+v, %v", first, err)
	}
	publish(t, m, "a") // the first is dropped, and known all the same
	again, err := m.Append(&event.Event{Topic: "a", ID: "k", Data: []byte("x")})
	if err != nil || !again.Duplicate || again.ID != first.ID || m.Head().Seq != 2 {
		t.Errorf("%+v, %v, head %v", again, err, m.Head())
	}
	for _, other := range []event.Event{{Topic: "b", Data: []byte("x")}, {Topic: "a", Type: "t", Data: []byte("x")}, {Topic: "a", Data: []byte("y")}, {Topic: "a", Data: []byte("x"), Last: true}} {
		other.ID = "k"
		if _, err := m.Append(&other); !errors.Is(err, ErrIDReused) {
			t.Errorf("%+v: %v", other, err)
		}
	}
	if again, err := m.Append(&event.Event{Topic: "a", ID: "k", Data: []byte("x"), TTL: time.Second}); err != nil || !again.Duplicate {
		t.Errorf("with less time to live: %+v, %v", again, err)
	}
	now = now.Add(duplicateWindow)
	if r, err := m.Append(&event.Event{Topic: "a", ID: "k", Data: []byte("x")}); err != nil || r.Duplicate {
		t.Errorf("after the window: %+v, %v", r, err)
	}
	for i := range maxIDs + 10 {
		if _, err := m.Append(&event.Event{Topic: "a", ID: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.sent.known) > maxIDs || m.sent.order.count != len(m.sent.known) {
		t.Errorf("%d ids are remembered", len(m.sent.known))
	}
	now = now.Add(duplicateWindow)
	m.Expire()
	if len(m.sent.known) > 0 {
		t.Errorf("%d ids outlive the window", len(m.sent.known))
	}
}

func TestReadersCostTheLogNothing(t *testing.T) {
	m := NewMemory(rules(10, "p.>"), 1<<20, 0)
	for i := range 100 {
		subscribe(t, m, Start{}, fmt.Sprint("p.", i), fmt.Sprint("p.*.", i))
	}
	if u := m.Usage(); u.Topics != 0 || u.Bytes != 0 {
		t.Errorf("%+v", u)
	}
}

func TestTopicsCountAgainstTheLimit(t *testing.T) {
	const limit = 1 << 20
	m := NewMemory(rules(10, "p.>"), limit, 0)
	for i := range 20_000 {
		publish(t, m, fmt.Sprint("p.", i, ".", strings.Repeat("x", 200)))
		if u := m.Usage(); u.Bytes > limit {
			t.Fatalf("%+v", u)
		}
	}
	if u := m.Usage(); u.Topics > limit/topicOverhead || u.Events == 0 {
		t.Errorf("%+v", u)
	}
	before := m.Usage()
	if _, err := m.Append(&event.Event{Topic: "p.big", Data: make([]byte, limit)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("an event that fits nothing: %v", err)
	}
	if u := m.Usage(); u.Events != before.Events || u.Topics != before.Topics || u.Bytes != before.Bytes {
		t.Errorf("it has pushed out others, or left its topic: %+v, before %+v", u, before)
	}
}

func TestEventsHoldNothingElseInMemory(t *testing.T) {
	const request = 1 << 20
	for name, e := range map[string]func() event.Event{
		"a key":        func() event.Event { return event.Event{Key: strings.Repeat("k", request)[:1]} },
		"data with CR": func() event.Event { return event.Event{Data: append(make([]byte, 0, request), '\r')} },
		"CloudEvents'": func() event.Event { return event.Event{Attributes: append(make([]byte, 0, request), `"a":1`...)} },
		"data in base64": func() event.Event {
			return event.Event{Data: append(make([]byte, 0, request), "YQ=="...), Base64: true}
		},
		"a topic's name":  func() event.Event { return event.Event{Topic: strings.Repeat("a", request)[:1]} },
		"data as it came": func() event.Event { return event.Event{Data: append(make([]byte, 0, request), 'x')} },
	} {
		m := NewMemory(rules(100, "a"), 1<<20, 0)
		for range 100 {
			one := e()
			one.Topic = cmp.Or(one.Topic, "a")
			if _, err := m.Append(&one); err != nil {
				t.Fatal(err)
			}
		}
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		if s.HeapAlloc > 50*request {
			t.Errorf("%s: %d bytes for %d", name, s.HeapAlloc, m.Usage().Bytes)
		}
		runtime.KeepAlive(m)
	}
}
