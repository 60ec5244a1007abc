package eventlog

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// TestCountedBytesAreThoseOfTheHeap holds what retention counts against what the heap grows by, for logs of very different shapes.
func TestCountedBytesAreThoseOfTheHeap(t *testing.T) {
	const events = 100_000
	name := func(form string) func(i int) event.Event {
		return func(i int) event.Event { return event.Event{Topic: fmt.Sprintf(form, i)} }
	}
	one := func(int) event.Event { return event.Event{Topic: "one"} }
	for _, c := range []struct {
		shape  string
		events int // of each topic
		size   int
		event  func(i int) event.Event
	}{
		{"a topic for each event", 1, 200, name("users.%d")},
		{"a topic for each event, deep", 1, 200, name("tenants.of.the.hub.%d.inbox")},
		{"a topic for each event, deep, with little in common", 1, 1, name("u%d.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o")},
		{"a topic for each event, with a time to live", 1, 1, func(i int) event.Event {
			return event.Event{Topic: fmt.Sprint("users.", i), TTL: time.Hour}
		}},
		{"topics of a hundred events", 100, 200, func(i int) event.Event { return name("users.%d")(i % 1000) }},
		{"one topic", events, 200, one},
		{"one topic of tiny events", events, 1, one},
		{"one topic of large events", events, 2000, one},
		{"a key for each event", events, 200, func(i int) event.Event { return event.Event{Topic: "one", Key: fmt.Sprint("key ", i)} }},
		{"a few keys", events, 200, func(i int) event.Event { return event.Event{Topic: "one", Key: fmt.Sprint("key ", i%100)} }},
		{"CloudEvents", events, 200, func(i int) event.Event {
			return event.Event{Topic: "one", Attributes: fmt.Appendf(nil, `"specversion":"1.0","id":"%d","source":"/shop","type":"order"`, i)}
		}},
		{"what is left of a burst", 2, 200, func(i int) event.Event { return name("users.%d")(max(0, i-events/2)) }},
	} {
		t.Run(c.shape, func(t *testing.T) {
			data := make([]byte, c.size)
			for i := range data {
				data[i] = 'x'
			}
			before := heapBytes()
			m := NewMemory(rules(c.events, ">"), 4<<30, 0)
			for i := range events {
				e := c.event(i)
				e.Data = data
				if _, err := m.Append(&e); err != nil {
					t.Fatal(err)
				}
			}
			grown, counted := heapBytes()-before, m.Usage().Bytes
			t.Logf("%d bytes of heap are counted as %d: %.2f", grown, counted, float64(counted)/float64(grown))
			if 4*counted < 3*grown || 4*counted > 5*grown {
				t.Errorf("%d bytes of heap are counted as %d", grown, counted)
			}
			runtime.KeepAlive(m)
		})
	}
}

func TestIDsTakeAsMuchAsIsSaid(t *testing.T) {
	before := heapBytes()
	m := NewMemory(rules(1, "a"), 1<<20, 0)
	for i := range 3 * maxIDs {
		if _, err := m.Append(&event.Event{Topic: "a", ID: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if grown := heapBytes() - before; grown > 250*maxIDs {
		t.Errorf("%d bytes for %d ids", grown, len(m.sent.known))
	}
	runtime.KeepAlive(m)
}

func heapBytes() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go of
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
