package eventlog

import (
	"fmt"
	"testing"

	"github.com/runnel-dev/runnel/hub/event"
)

// BenchmarkRead is how long readers take that are behind.
func BenchmarkRead(b *testing.B) {
	m := NewMemory(rules(100, ">"), 4<<30, 0)
	others := names("other.", 10_000)
	for i := range 1_000_000 {
		if i%10_000 == 0 {
			append1(b, m, &event.Event{Topic: fmt.Sprint("a.", i/100_000), Data: payload})
			append1(b, m, &event.Event{Topic: "one", Data: payload})
		}
		append1(b, m, &event.Event{Topic: others[i%len(others)], Data: payload})
	}
	for _, selector := range []string{"one", "a.*", "a.>"} {
		b.Run("100 of "+selector+" among a million", func(b *testing.B) { readAll(b, m, 0, 100, selector) })
	}
	for range 100 {
		append1(b, m, &event.Event{Topic: "new", Data: payload})
	}
	b.Run("the last 100", func(b *testing.B) { readAll(b, m, m.Head().Seq-100, 100, "new") })
	b.Run("the last 100 by pattern", func(b *testing.B) { readAll(b, m, m.Head().Seq-100, 100, ">") })
	b.Run("a million", func(b *testing.B) { readAll(b, m, 0, 1_000_300, ">") })
}

func readAll(b *testing.B, m *Memory, after uint64, want int, selector string) {
	s, _ := subscribe(b, m, Start{}, selector)
	into := make([]*Entry, 0, 1000)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		batch := s.Read(after, 64<<10, into)
		for n += len(batch.Entries); batch.More; n += len(batch.Entries) {
			batch = s.Read(batch.Cursor, 64<<10, into)
		}
		if n != want {
			b.Fatal(n)
		}
	}
}

func BenchmarkSince(b *testing.B) {
	m := NewMemory(rules(1000, ">"), 64<<20, 0)
	for range 1000 {
		append1(b, m, &event.Event{Topic: "a", Data: payload})
	}
	for _, n := range []uint64{1, 16, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var into []*Entry
			b.ReportAllocs()
			for b.Loop() {
				into, _, _ = m.Since(1000-n, 1024, into[:0])
			}
		})
	}
}

func BenchmarkManyTopics(b *testing.B) {
	const topics = 100_000
	m := NewMemory(rules(1, ">"), 1<<30, 0)
	for _, name := range names("p.", topics) {
		publish(b, m, name)
	}
	readAll(b, m, 0, topics, "p.*")
}
