package eventlog

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// payload is the data of most benchmarks' events.
var payload = []byte(strings.Repeat("x", 200))

func append1(b *testing.B, m *Memory, e *event.Event) {
	if _, err := m.Append(e); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	b.Run("plain", func(b *testing.B) {
		m := NewMemory(rules(100, ">"), 64<<20, Linger)
		e := &event.Event{Topic: "a", Data: payload}
		b.ReportAllocs()
		for b.Loop() {
			append1(b, m, e)
		}
	})
	b.Run("id", func(b *testing.B) {
		m := NewMemory(rules(100, ">"), 64<<20, 0)
		e := &event.Event{Topic: "a", Data: payload}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			e.ID = strconv.Itoa(i)
			append1(b, m, e)
		}
	})
	b.Run("key", func(b *testing.B) {
		m := NewMemory(rules(100, ">"), 64<<20, 0)
		keys := names("k", 1000)
		e := &event.Event{Topic: "a", Data: payload}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			e.Key = keys[i%len(keys)]
			append1(b, m, e)
		}
	})
	for _, topics := range []int{1000, 100_000} {
		b.Run(fmt.Sprint("topics=", topics), func(b *testing.B) {
			m := NewMemory(rules(5, ">"), 1<<30, 0)
			all := names("p.", topics)
			e := &event.Event{Data: payload}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				e.Topic = all[i%topics]
				append1(b, m, e)
			}
		})
	}
	b.Run("full", func(b *testing.B) { // each event pushes out the oldest of all
		m := NewMemory(rules(1_000_000, ">"), 16<<20, 0)
		all := names("p.", 1000)
		e := &event.Event{Data: payload}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			e.Topic = all[i%len(all)]
			append1(b, m, e)
		}
	})
}

// BenchmarkAppendParallel is appends on different topics at the same time, to be run with -cpu 1,2,….
func BenchmarkAppendParallel(b *testing.B) {
	m := NewMemory(rules(100, ">"), 256<<20, 0)
	var next atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		e := &event.Event{Topic: fmt.Sprint("t.", next.Add(1)), Data: payload}
		for pb.Next() {
			append1(b, m, e)
		}
	})
}

func names(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = prefix + strconv.Itoa(i)
	}
	return out
}

// filled is a log with a million events.
func filled(b *testing.B, age time.Duration) *Memory {
	m := NewMemory([]Rule{{sel(">"), 10, age}}, 4<<30, 0)
	for range 10 {
		for _, name := range names("p.", 100_000) {
			append1(b, m, &event.Event{Topic: name, Data: payload})
		}
	}
	return m
}

// BenchmarkAppendMeanwhile is an append while others keep the log busy. The worst of them is what a publisher may wait.
func BenchmarkAppendMeanwhile(b *testing.B) {
	m := filled(b, time.Hour)
	into := make([]*Entry, 0, 100)
	for _, c := range []struct {
		what string
		work func(i int)
	}{
		{"nothing", nil},
		{"resumes", func(i int) {
			s, o := subscribe(b, m, at(m, 500_000), fmt.Sprint("p.", i%10_000))
			s.Read(o.Cursor.Seq, 1<<20, into)
		}},
		{"patterns", func(int) { subscribe(b, m, Start{Earliest: true}, "p.*") }},
		{"configure", func(i int) {
			m.Configure([]Rule{{sel(">"), 10 + i%2, time.Hour}, {sel([]string{"q", "r"}[i%2]), 1, time.Hour}}, 4<<30)
		}},
		{"topics", func(int) { m.Topics("", 100, func(string) bool { return true }) }},
		{"usage", func(int) { m.Usage() }},
	} {
		b.Run(c.what, func(b *testing.B) { meanwhile(b, m, c.work) })
	}
}

// BenchmarkExpire is what an event costs that grows too old, in one topic or in many.
func BenchmarkExpire(b *testing.B) {
	const events = 100_000
	for _, topics := range []int{1, 1000, events} {
		b.Run(fmt.Sprint("topics=", topics), func(b *testing.B) {
			all := names("p.", topics)
			for b.Loop() {
				b.StopTimer()
				now := time.Now()
				m := NewMemory(rules(events, ">"), 4<<30, 0)
				m.clock = func() time.Time { return now }
				for i := range events {
					append1(b, m, &event.Event{Topic: all[i%topics], Data: payload})
				}
				now = now.Add(time.Hour)
				b.StartTimer()
				m.Expire()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events), "ns/event")
		})
	}
}

func BenchmarkAppendWhileAMillionExpire(b *testing.B) {
	m := filled(b, time.Hour)
	clock := m.clock
	m.clock = func() time.Time { return clock().Add(time.Hour) }
	var once sync.Once
	meanwhile(b, m, func(int) { once.Do(m.Expire) })
}

func meanwhile(b *testing.B, m *Memory, work func(i int)) {
	var stop atomic.Bool
	var done sync.WaitGroup
	if work != nil {
		done.Go(func() {
			for i := 0; !stop.Load(); i++ {
				work(i)
			}
		})
	}
	e := &event.Event{Topic: "p.1", Data: payload}
	var worst time.Duration
	for b.Loop() {
		began := time.Now()
		append1(b, m, e)
		worst = max(worst, time.Since(began))
	}
	stop.Store(true)
	done.Wait()
	b.ReportMetric(float64(worst.Microseconds()), "worst-µs")
	runtime.KeepAlive(m)
}
