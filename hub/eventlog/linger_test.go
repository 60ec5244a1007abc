package eventlog

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

func TestABurstDoesNotOvertakeItsReaders(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory(rules(2, "a", "b"), 1<<20, time.Second)
	m.clock = func() time.Time { return now }
	s, _ := subscribe(t, m, Start{}, "a")
	for range 5 {
		publish(t, m, "a")
	}
	if b := s.Read(0, 1<<20, nil); !slices.Equal(seqs(b), []uint64{1, 2, 3, 4, 5}) || len(b.Lost) > 0 {
		t.Errorf("a reader that is there: %v, lost %v", seqs(b), b.Lost)
	}
	for name, c := range map[string]struct {
		start Start
		want  []uint64
	}{
		"who comes back":    {at(m, 1), []uint64{2, 3, 4, 5}},
		"earliest":          {Start{Earliest: true}, []uint64{4, 5}},
		"the last":          {Start{Replay: 1}, []uint64{5}},
		"a replay":          {Start{Replay: 2}, []uint64{4, 5}},
		"after a lost past": {Start{Cursor: "00000000-5"}, []uint64{4, 5}},
	} {
		s, o := subscribe(t, m, c.start, "a", "b")
		if got := seqs(s.Read(o.Cursor.Seq, 1<<20, nil)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	publish(t, m, "b")
	publish(t, m, "b")
	publish(t, m, "b")
	early, o := subscribe(t, m, Start{Earliest: true}, "a", "b") // from 4 and 7 on
	now = now.Add(time.Second)
	m.Expire()
	if u, err := m.Topic("a"); err != nil || u.Events != 2 {
		t.Errorf("a second later: %+v, %v", u, err)
	}
	if b := early.Read(o.Cursor.Seq, 1<<20, nil); len(b.Lost) > 0 || !slices.Equal(seqs(b), []uint64{4, 5, 7, 8}) {
		t.Errorf("what a reader did not begin with is no loss: %v, lost %v", seqs(b), b.Lost)
	}
	if _, o := subscribe(t, m, at(m, 1), "a"); o.Reason != ReasonEvicted {
		t.Errorf("who comes back late: %+v", o)
	}
	publish(t, m, "a")
	if u, err := m.Topic("a"); err != nil || u.Events != 2 {
		t.Errorf("at the next event: %+v, %v", u, err)
	}
}

func TestWhatLingersGoesFirstWhenMemoryIsShort(t *testing.T) {
	const limit = 64 << 10
	m := NewMemory(rules(3, ">"), limit, time.Hour)
	for i := range 3 {
		if _, err := m.Append(&event.Event{Topic: fmt.Sprint("kept.", i), Data: make([]byte, 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		if _, err := m.Append(&event.Event{Topic: "burst", Data: make([]byte, 1000)}); err != nil {
			t.Fatal(err)
		}
		if u := m.Usage(); u.Bytes > limit {
			t.Fatalf("%+v", u)
		}
	}
	for i := range 3 {
		if u, err := m.Topic(fmt.Sprint("kept.", i)); err != nil || u.Events != 1 {
			t.Errorf("%+v, %v", u, err)
		}
	}
	if u, err := m.Topic("burst"); err != nil || u.Events < 10 {
		t.Errorf("%+v, %v", u, err)
	}
}

// TestABurstDoesNotOvertakeItsReadersInAFullLog holds it where each event pushes out another: what lingers has a share of the limit,
// and no more than that.
func TestABurstDoesNotOvertakeItsReadersInAFullLog(t *testing.T) {
	const limit = 256 << 10
	m := NewMemory(rules(1, ">"), limit, time.Hour)
	fill := func(topic string) {
		t.Helper()
		if _, err := m.Append(&event.Event{Topic: topic, Data: make([]byte, 100)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		fill(fmt.Sprint("kept.", i))
	}
	s, o := subscribe(t, m, Start{}, "last")
	cursor := o.Cursor.Seq
	for range 20 {
		for range 50 {
			fill("last")
		}
		b := s.Read(cursor, 1<<20, nil)
		if len(b.Entries) != 50 || len(b.Lost) > 0 {
			t.Fatalf("%d events of 50, lost %v", len(b.Entries), b.Lost)
		}
		cursor = b.Cursor
	}
	if m.lingering > limit/lingerShare+300 { // an event more
		t.Errorf("%d bytes linger", m.lingering)
	}
	if u, err := m.Topic("kept.999"); err != nil || u.Events != 1 || m.Usage().Bytes > limit {
		t.Errorf("%+v, %v, %+v", u, err, m.Usage())
	}
}

func TestAReloadToLessLetsEventsLinger(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory(rules(5, "a"), 1<<20, time.Second)
	m.clock = func() time.Time { return now }
	for range 5 {
		publish(t, m, "a")
	}
	m.Configure(rules(2, "a"), 1<<20)
	if u, err := m.Topic("a"); err != nil || u.Events != 5 {
		t.Errorf("%+v, %v", u, err)
	}
	now = now.Add(time.Second)
	m.Expire()
	if u, err := m.Topic("a"); err != nil || u.Events != 2 {
		t.Errorf("a second later: %+v, %v", u, err)
	}
}

func TestACompleteTopicIsForgottenLast(t *testing.T) {
	m := NewMemory(rules(1, ">"), 1<<20, 0)
	if _, err := m.Complete("done"); err != nil {
		t.Fatal(err)
	}
	for i := range 20_000 {
		publish(t, m, fmt.Sprint("other.", i))
	}
	if _, o := subscribe(t, m, Start{}, "done"); !o.Complete {
		t.Errorf("%+v", o)
	}
	for i := range 20_000 {
		if _, err := m.Complete(fmt.Sprint("done.", i)); err != nil {
			t.Fatal(err)
		}
		publish(t, m, "other")
	}
	if u := m.Usage(); u.Bytes > 1<<20 || u.Events == 0 || m.ended.bytes > 1<<20/endedShare+2*topicOverhead {
		t.Errorf("%+v, of it %d bytes of complete topics", u, m.ended.bytes)
	}
	if _, o := subscribe(t, m, Start{}, "done.19999"); !o.Complete {
		t.Errorf("the newest: %+v", o)
	}
}
