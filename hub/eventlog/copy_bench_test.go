package eventlog

import (
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// BenchmarkCopy is how long it takes to fill a copy with a million events: to tell them, and to take them over.
func BenchmarkCopy(b *testing.B) {
	for name, topics := range map[string]int{"one topic": 1, "100000 topics": 100_000} {
		b.Run(name, func(b *testing.B) {
			const events = 1_000_000
			m := NewMemory(rules(events/topics, ">"), 4<<30, 0)
			all := []string{"p"}
			if topics > 1 {
				all = names("p.", topics)
			}
			for i := range 2 * events { // half of them are lost
				append1(b, m, &event.Event{Topic: all[i%topics], Data: payload})
			}
			b.ReportAllocs()
			for b.Loop() {
				c := NewMemory(nil, 4<<30, 0)
				if err := c.Copy(m.Epoch()); err != nil {
					b.Fatal(err)
				}
				f, err := m.Feed(Position{})
				if err != nil {
					b.Fatal(err)
				}
				var told time.Duration
				var records []Record
				for more := true; more; {
					began := time.Now()
					records, more = f.Next(1000, records[:0])
					told += time.Since(began)
					if _, err := c.Replicate(records); err != nil {
						b.Fatal(err)
					}
				}
				if u := c.Usage(); u.Events != events {
					b.Fatal(u)
				}
				b.ReportMetric(told.Seconds(), "s-to-tell")
			}
		})
	}
}
