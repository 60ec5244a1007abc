package fanout

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/eventlog"
)

// BenchmarkIndex is how long it takes to find the readers of one topic among very many other readers.
func BenchmarkIndex(b *testing.B) {
	const readers = 10_000
	log := eventlog.NewMemory([]eventlog.Rule{{Selector: sels(b, ">")[0], Events: 1, Age: time.Hour}}, 1<<20, 0)
	for _, c := range []struct{ name, selector, topic string }{
		{"one by name", "user.%d", "user.77"},
		{"one by pattern", "user.%d.>", "user.77.inbox"},
		{"one by a pattern that begins with *", "*.%d", "user.77"},
		{"nobody", "user.%d.>", "order.77.inbox"},
		{"all", "news", "news"},
	} {
		b.Run(c.name, func(b *testing.B) {
			x := newIndex()
			for i := range readers {
				selector := strings.Replace(c.selector, "%d", strconv.Itoa(i), 1)
				sub, _, err := log.Subscribe(sels(b, selector), eventlog.Start{})
				if err != nil {
					b.Fatal(err)
				}
				x.add(&reader{sub: sub})
			}
			found := 0
			b.ReportAllocs()
			for b.Loop() {
				x.each(c.topic, func(*reader) { found++ })
			}
			b.ReportMetric(float64(found)/float64(b.N), "readers")
		})
	}
}

// BenchmarkIndexChanges is a reader that comes and goes.
func BenchmarkIndexChanges(b *testing.B) {
	log := eventlog.NewMemory([]eventlog.Rule{{Selector: sels(b, ">")[0], Events: 1, Age: time.Hour}}, 1<<20, 0)
	x := newIndex()
	sub, _, err := log.Subscribe(sels(b, "user.1", "news.>"), eventlog.Start{})
	if err != nil {
		b.Fatal(err)
	}
	r := &reader{sub: sub}
	b.ReportAllocs()
	for b.Loop() {
		x.add(r)
		x.remove(r)
	}
}
