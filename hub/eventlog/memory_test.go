package eventlog

import (
	"errors"
	"math/rand/v2"
	"slices"
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

func TestRulesByPrecedence(t *testing.T) {
	m := NewMemory([]Rule{{sel(">"), 1, time.Hour}, {sel("a.*"), 2, time.Hour}, {sel("a.b"), 3, time.Hour}}, 1<<20, 0)
	for topic, want := range map[string]string{"a.b": "a.b", "a.c": "a.*", "a.c.d": ">"} {
		if r, err := m.Append(&event.Event{Topic: topic}); err != nil || r.Rule != want {
			t.Errorf("%s is governed by %s, want %s: %v", topic, r.Rule, want, err)
		}
	}
}

func TestConfigure(t *testing.T) {
	m := NewMemory(rules(10, "a", "b", "p.*"), 1<<20, 0)
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

// TestReadsAgree holds the walk over the newest entries and the merge of topics against each other and against a plain list.
func TestReadsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	m := NewMemory(rules(1_000_000, "a.>", "b"), 1<<30, 0)
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
