package eventlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

func sel(s string) event.Selector {
	out, err := event.ParseSelector(s)
	if err != nil {
		panic(err)
	}
	return out
}

func sels(ss ...string) []event.Selector {
	var out []event.Selector
	for _, s := range ss {
		out = append(out, sel(s))
	}
	return out
}

func rules(events int, names ...string) []Rule {
	var out []Rule
	for _, n := range names {
		out = append(out, Rule{sel(n), events, time.Hour})
	}
	return out
}

func publish(t testing.TB, m *Memory, topic string) uint64 {
	t.Helper()
	r, err := m.Append(&event.Event{Topic: topic, Data: []byte(topic)})
	if err != nil {
		t.Fatal(err)
	}
	return r.ID.Seq
}

func subscribe(t testing.TB, m *Memory, start Start, selectors ...string) (*Subscription, Opening) {
	t.Helper()
	s, o, err := m.Subscribe(sels(selectors...), start)
	if err != nil {
		t.Fatal(err)
	}
	return s, o
}

func at(m *Memory, seq uint64) Start {
	return Start{Cursor: event.ID{Epoch: m.Epoch(), Seq: seq}.String()}
}

func seqs(b Batch) (out []uint64) {
	for _, e := range b.Entries {
		out = append(out, e.Seq)
	}
	return out
}

func TestOpenings(t *testing.T) {
	m := NewMemory(rules(3, "a", "b", "p.*"), 1<<20)
	for range 5 { // a holds 3..5, and lost 1 and 2
		publish(t, m, "a")
	}
	publish(t, m, "b")
	for name, c := range map[string]struct {
		start     Start
		selectors []string
		want      Opening
		next      []uint64
	}{
		"live":              {Start{}, []string{"a"}, Opening{Resume: ResumeLive, Cursor: event.ID{Seq: 6}}, nil},
		"earliest":          {Start{Earliest: true}, []string{"a"}, Opening{Resume: ResumeExact, Cursor: event.ID{Seq: 2}}, []uint64{3, 4, 5}},
		"exact":             {at(m, 2), []string{"a"}, Opening{Resume: ResumeExact, Cursor: event.ID{Seq: 2}}, []uint64{3, 4, 5}},
		"exact at the end":  {at(m, 6), []string{"a", "b"}, Opening{Resume: ResumeExact, Cursor: event.ID{Seq: 6}}, nil},
		"evicted":           {at(m, 1), []string{"a", "b"}, Opening{ResumeGap, event.ID{Seq: 2}, ReasonEvicted, []string{"a"}}, []uint64{3, 4, 5, 6}},
		"quiet topic":       {at(m, 1), []string{"b"}, Opening{Resume: ResumeExact, Cursor: event.ID{Seq: 1}}, []uint64{6}},
		"pattern":           {at(m, 1), []string{">"}, Opening{ResumeGap, event.ID{Seq: 2}, ReasonEvicted, []string{"a"}}, []uint64{3, 4, 5, 6}},
		"other epoch":       {Start{Cursor: "00000000-5"}, []string{"b", "p.*"}, Opening{ResumeReset, event.ID{Seq: 5}, ReasonReset, []string{"b", "p.*"}}, []uint64{6}},
		"unreadable":        {Start{Cursor: "CLOSE"}, []string{"b"}, Opening{ResumeGap, event.ID{Seq: 6}, ReasonUnknownID, []string{"b"}}, nil},
		"from the future":   {at(m, 7), []string{"b"}, Opening{ResumeGap, event.ID{Seq: 6}, ReasonUnknownID, []string{"b"}}, nil},
		"unborn topic":      {at(m, 0), []string{"p.x"}, Opening{Resume: ResumeExact, Cursor: event.ID{Seq: 0}}, nil},
		"overlap read once": {at(m, 2), []string{"a", "*", ">"}, Opening{Resume: ResumeExact, Cursor: event.ID{Seq: 2}}, []uint64{3, 4, 5, 6}},
	} {
		t.Run(name, func(t *testing.T) {
			s, got := subscribe(t, m, c.start, c.selectors...)
			c.want.Cursor.Epoch = m.Epoch()
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("opening %v, want %v", got, c.want)
			}
			b := s.Read(got.Cursor.Seq, 1<<20, nil)
			if !slices.Equal(seqs(b), c.next) || len(b.Lost) > 0 || b.Cursor != 6 || b.More {
				t.Errorf("then %v, lost %v, cursor %d", seqs(b), b.Lost, b.Cursor)
			}
		})
	}
	if _, _, err := m.Subscribe(sels("nowhere"), Start{}); !errors.Is(err, ErrUndeclared) {
		t.Errorf("undeclared: %v", err)
	}
	if _, err := m.Append(&event.Event{Topic: "nowhere"}); !errors.Is(err, ErrUndeclared) || m.Head().Seq != 6 {
		t.Errorf("undeclared: %v, head %v", err, m.Head())
	}
}

func TestReplayOfEachTopic(t *testing.T) {
	m := NewMemory(rules(10, ">"), 1<<20)
	for range 3 {
		publish(t, m, "a") // 1 3 5
		publish(t, m, "b") // 2 4 6
	}
	publish(t, m, "a") // 7
	for n, want := range map[int][]uint64{1: {6, 7}, 2: {4, 5, 6, 7}, 9: {1, 2, 3, 4, 5, 6, 7}} {
		for _, room := range []int{1, 1 << 20} { // in many reads, and in one
			s, o := subscribe(t, m, Start{Replay: n}, "a", "b", "c")
			if o.Resume != ResumeLive || o.Cursor.Seq != want[0]-1 {
				t.Errorf("opening %+v", o)
			}
			var got []uint64
			for cursor, more := o.Cursor.Seq, true; more; {
				b := s.Read(cursor, room, nil)
				got, cursor, more = append(got, seqs(b)...), b.Cursor, b.More
			}
			if !slices.Equal(got, want) {
				t.Errorf("replay of %d: %v, want %v", n, got, want)
			}
		}
	}
}

func TestSince(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory([]Rule{{sel("a"), 3, time.Hour}}, 1<<20)
	m.clock = func() time.Time { return now }
	for range 3 {
		publish(t, m, "a")
		now = now.Add(time.Second)
	}
	s, o := subscribe(t, m, Start{Since: time.Unix(1001, 0)}, "a")
	if b := s.Read(o.Cursor.Seq, 1<<20, nil); o.Resume != ResumeLive || !slices.Equal(seqs(b), []uint64{2, 3}) {
		t.Errorf("%+v: %v", o, seqs(b))
	}
	publish(t, m, "a") // 1 is lost
	if _, o := subscribe(t, m, Start{Since: time.Unix(1001, 0)}, "a"); o.Resume != ResumeGap || o.Cursor.Seq != 1 {
		t.Errorf("what was dropped may have been wanted: %+v", o)
	}
	if _, o := subscribe(t, m, Start{Since: time.Unix(1002, 0)}, "a"); o.Resume != ResumeLive || o.Cursor.Seq != 2 {
		t.Errorf("%+v", o)
	}
}

func TestRulesByPrecedence(t *testing.T) {
	m := NewMemory([]Rule{{sel(">"), 1, time.Hour}, {sel("a.*"), 2, time.Hour}, {sel("a.b"), 3, time.Hour}}, 1<<20)
	for topic, want := range map[string]string{"a.b": "a.b", "a.c": "a.*", "a.c.d": ">"} {
		if r, err := m.Append(&event.Event{Topic: topic}); err != nil || r.Rule != want {
			t.Errorf("%s is governed by %s, want %s: %v", topic, r.Rule, want, err)
		}
	}
}

func TestRetention(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory([]Rule{{sel("short"), 10, time.Second}, {sel("long"), 2, time.Minute}}, 1<<20)
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
	if u := m.Usage(); u.Events != 0 || u.Bytes != 2*topicOverhead+int64(len("short")+len("long")) {
		t.Errorf("expired events are held: %+v", u)
	}
}

func TestRetentionByBytes(t *testing.T) {
	const limit = 64 << 10
	m := NewMemory(rules(1_000_000, ">"), limit)
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

func TestOlderLossAfterNewerIsTold(t *testing.T) {
	m := NewMemory([]Rule{{sel("fast"), 1, time.Hour}, {sel("slow"), 2, time.Hour}}, 1<<20)
	s, _ := subscribe(t, m, Start{}, "fast", "slow")
	publish(t, m, "slow") // 1
	publish(t, m, "slow") // 2
	publish(t, m, "fast") // 3
	publish(t, m, "fast") // 4, and 3 is lost
	if b := s.Read(0, 1, nil); !slices.Equal(seqs(b), []uint64{1}) || !slices.Equal(b.Lost, []string{"fast"}) || !b.More {
		t.Fatalf("%v, lost %v", seqs(b), b.Lost)
	}
	publish(t, m, "slow") // 5, and 1 is lost, which was read
	publish(t, m, "slow") // 6, and 2 is lost, which was not
	if b := s.Read(1, 1<<20, nil); !slices.Equal(b.Lost, []string{"slow"}) || !slices.Equal(seqs(b), []uint64{4, 5, 6}) {
		t.Errorf("%v, lost %v", seqs(b), b.Lost)
	}
}

func TestForgottenTopicsStillTellGaps(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory([]Rule{{sel("p.*"), 1, time.Second}}, 1<<30)
	m.clock = func() time.Time { return now }
	publish(t, m, "p.first")
	for i := range maxIdleTopics + 10 {
		publish(t, m, fmt.Sprintf("p.%d", i))
	}
	now = now.Add(time.Minute)
	m.Expire()
	if u := m.Usage(); u.Topics != maxIdleTopics {
		t.Errorf("%d topics are remembered", u.Topics)
	}
	for _, selector := range []string{"p.first", "p.*"} {
		if _, o := subscribe(t, m, at(m, 0), selector); o.Resume != ResumeGap {
			t.Errorf("%s: %v", selector, o)
		}
	}
	if _, o := subscribe(t, m, at(m, m.Head().Seq), ">"); o.Resume != ResumeExact {
		t.Errorf("nothing was lost since: %v", o)
	}
}

func TestTTL(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory(rules(2, "a"), 1<<20)
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

func TestKeys(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory(rules(1, "a", "b"), 1<<20)
	m.clock = func() time.Time { return now }
	first, err := m.Append(&event.Event{Topic: "a", Key: "k", Data: []byte("x")})
	if err != nil || first.Duplicate {
		t.Fatalf("%+v, %v", first, err)
	}
	publish(t, m, "a") // the first is dropped, and known all the same
	again, err := m.Append(&event.Event{Topic: "a", Key: "k", Data: []byte("x")})
	if err != nil || !again.Duplicate || again.ID != first.ID || m.Head().Seq != 2 {
		t.Errorf("%+v, %v, head %v", again, err, m.Head())
	}
	for _, other := range []event.Event{{Topic: "b", Data: []byte("x")}, {Topic: "a", Type: "t", Data: []byte("x")}, {Topic: "a", Data: []byte("y")}} {
		other.Key = "k"
		if _, err := m.Append(&other); !errors.Is(err, ErrKeyReused) {
			t.Errorf("%+v: %v", other, err)
		}
	}
	now = now.Add(duplicateWindow)
	if r, err := m.Append(&event.Event{Topic: "a", Key: "k", Data: []byte("x")}); err != nil || r.Duplicate {
		t.Errorf("after the window: %+v, %v", r, err)
	}
	for i := range maxKeys + 10 {
		if _, err := m.Append(&event.Event{Topic: "a", Key: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.keys.known) > maxKeys || len(m.keys.order) != len(m.keys.known) {
		t.Errorf("%d keys are remembered", len(m.keys.known))
	}
	now = now.Add(duplicateWindow)
	m.Expire()
	if len(m.keys.known) > 0 {
		t.Errorf("%d keys outlive the window", len(m.keys.known))
	}
}

func TestConfigure(t *testing.T) {
	m := NewMemory(rules(10, "a", "b", "p.*"), 1<<20)
	for range 5 {
		publish(t, m, "a")
		publish(t, m, "p.x")
	}
	publish(t, m, "b")
	s, _ := subscribe(t, m, Start{}, ">")
	m.Configure(rules(2, "a", "p.x"), 1<<20)
	b := s.Read(0, 1<<20, nil)
	if !slices.Equal(seqs(b), []uint64{7, 8, 9, 10}) || !slices.Equal(b.Lost, []string{">"}) { // b is among what it lost, and gone
		t.Errorf("%v, lost %v", seqs(b), b.Lost)
	}
	if err := m.Declared(sels("b")); !errors.Is(err, ErrUndeclared) || !s.Declared() {
		t.Errorf("b is gone: %v", err)
	}
	publish(t, m, "a")
	if b := s.Read(10, 1<<20, nil); len(b.Entries) != 1 {
		t.Errorf("reading goes on: %v", seqs(b))
	}
}

func TestRemovedTopicsAreALoss(t *testing.T) {
	m := NewMemory(rules(10, "a", "b", "p.*"), 1<<20)
	for range 3 {
		publish(t, m, "a")
		publish(t, m, "p.x")
	}
	lagging, _ := subscribe(t, m, Start{}, ">")
	m.Configure(rules(10, "b"), 1<<20)
	if b := lagging.Read(2, 1<<20, nil); !slices.Equal(b.Lost, []string{">"}) {
		t.Errorf("a reader that lags is told: %v", b.Lost)
	}
	if _, o := subscribe(t, m, at(m, 2), ">"); o.Resume != ResumeGap {
		t.Errorf("removed: %+v", o)
	}
	if _, o := subscribe(t, m, at(m, 2), "b"); o.Resume != ResumeExact {
		t.Errorf("another topic lost nothing: %+v", o)
	}
	for _, back := range [][]Rule{rules(10, "a", "p.*"), rules(10, ">")} {
		m.Configure(back, 1<<20)
		for _, selector := range []string{"a", "p.x", "p.*"} {
			if _, o := subscribe(t, m, at(m, 2), selector); o.Resume != ResumeGap {
				t.Errorf("%s is back: %+v", selector, o)
			}
			if _, o := subscribe(t, m, at(m, 6), selector); o.Resume != ResumeExact {
				t.Errorf("%s has lost nothing since: %+v", selector, o)
			}
		}
	}
	publish(t, m, "a")
	if _, o := subscribe(t, m, at(m, 2), "a"); o.Resume != ResumeGap {
		t.Errorf("with a new event: %+v", o)
	}
	for i := range 2 * maxRetired {
		m.Configure(rules(10, fmt.Sprint("t", i)), 1<<20)
		publish(t, m, fmt.Sprint("t", i))
	}
	if len(m.retired) > maxRetired {
		t.Errorf("%d rules are remembered", len(m.retired))
	}
	if _, o := subscribe(t, m, at(m, 2), fmt.Sprint("t", 2*maxRetired-1)); o.Resume != ResumeGap {
		t.Errorf("what is no longer remembered counts for all: %+v", o)
	}
}

func TestReadersCostTheLogNothing(t *testing.T) {
	m := NewMemory(rules(10, "p.>"), 1<<20)
	for i := range 100 {
		subscribe(t, m, Start{}, fmt.Sprint("p.", i), fmt.Sprint("p.*.", i))
	}
	if u := m.Usage(); u.Topics != 0 || u.Bytes != 0 {
		t.Errorf("%+v", u)
	}
}

func TestTopicsCountAgainstTheLimit(t *testing.T) {
	const limit = 1 << 20
	m := NewMemory(rules(10, "p.>"), limit)
	for i := range 20_000 {
		publish(t, m, fmt.Sprint("p.", i, ".", strings.Repeat("x", 200)))
		if u := m.Usage(); u.Bytes > limit {
			t.Fatalf("%+v", u)
		}
	}
	if u := m.Usage(); u.Topics > limit/topicOverhead || u.Events == 0 {
		t.Errorf("%+v", u)
	}
	if _, err := m.Append(&event.Event{Topic: "p.big", Data: make([]byte, limit)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("an event that fits nothing: %v", err)
	}
	if m.Usage().Events == 0 {
		t.Error("it has pushed out the others")
	}
}

// TestReadsAgree holds the walk over the newest entries and the merge of topics against each other and against a plain list.
func TestReadsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	m := NewMemory(rules(1_000_000, "a.>", "b"), 1<<30)
	topics := []string{"a.1", "a.2", "a.1.x", "b"}
	var all []string
	for range 3000 {
		topic := topics[r.IntN(len(topics))]
		publish(t, m, topic)
		all = append(all, topic)
	}
	for range 300 {
		selectors := []string{[]string{"a.*", "a.>", ">", "b", "a.1", "*.2"}[r.IntN(6)], []string{"a.2", "b", "a.*"}[r.IntN(3)]}
		after := uint64(r.IntN(3001))
		s, _ := subscribe(t, m, Start{}, selectors...)
		var got []uint64
		for cursor, more := after, true; more; {
			b := s.Read(cursor, 1+r.IntN(5000), nil)
			got, cursor, more = append(got, seqs(b)...), b.Cursor, b.More
		}
		var want []uint64
		for i := after; i < 3000; i++ {
			if sel(selectors[0]).Match(all[i]) || sel(selectors[1]).Match(all[i]) {
				want = append(want, i+1)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v after %d: %d entries, want %d", selectors, after, len(got), len(want))
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	m := NewMemory(rules(100, ">"), 64<<20)
	e := &event.Event{Topic: "a", Data: []byte(strings.Repeat("x", 200))}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Append(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReplay(b *testing.B) {
	m := NewMemory(rules(100, ">"), 64<<20)
	for range 100 {
		publish(b, m, "a")
	}
	s, _ := subscribe(b, m, Start{}, "a")
	into := make([]*Entry, 0, 100)
	b.ReportAllocs()
	for b.Loop() {
		if len(s.Read(0, 1<<20, into).Entries) != 100 {
			b.Fatal("not all")
		}
	}
}
