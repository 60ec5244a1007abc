package eventlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

func TestATopicEnds(t *testing.T) {
	m := NewMemory(rules(10, "run.*", "other"), 1<<20, 0)
	s, o := subscribe(t, m, Start{}, "run.1")
	publish(t, m, "run.1")
	publish(t, m, "run.1")
	publish(t, m, "other")
	if b := s.Read(0, 1<<20, nil); b.Complete || o.Complete {
		t.Error("it has not ended yet")
	}
	end, err := m.Complete("run.1")
	if err != nil || end.Seq != 3 {
		t.Fatalf("%v, %v", end, err)
	}
	if again, err := m.Complete("run.1"); err != nil || again.Seq != 3 {
		t.Errorf("said again: %v, %v", again, err)
	}
	if b := s.Read(0, 1<<20, nil); !b.Complete || len(b.Entries) != 2 {
		t.Errorf("with the last event: %+v", b)
	}
	if b := s.Read(3, 1<<20, nil); !b.Complete {
		t.Errorf("after it: %+v", b)
	}
	if b := s.Read(0, 1, nil); b.Complete || !b.More {
		t.Errorf("more follows: %+v", b)
	}
	if _, err := m.Append(&event.Event{Topic: "run.1"}); !errors.Is(err, ErrComplete) {
		t.Errorf("an event after the last: %v", err)
	}
	if _, err := m.Complete("nowhere"); !errors.Is(err, ErrUndeclared) {
		t.Errorf("undeclared: %v", err)
	}
	for name, c := range map[string]struct {
		start     Start
		selectors []string
		complete  bool
	}{
		"at the end":           {Start{}, []string{"run.1"}, true},
		"resumed at the end":   {at(m, 2), []string{"run.1"}, true},
		"before the end":       {at(m, 1), []string{"run.1"}, false},
		"an unknown position":  {Start{Cursor: "?"}, []string{"run.1"}, false},
		"with one that has no": {Start{}, []string{"run.1", "other"}, false},
		"a pattern":            {Start{}, []string{"run.*"}, false},
	} {
		if _, o := subscribe(t, m, c.start, c.selectors...); o.Complete != c.complete {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestTheLastEventEndsItsTopicOnce(t *testing.T) {
	m := NewMemory(rules(10, "run"), 1<<20, 0)
	last := event.Event{Topic: "run", ID: "end", Last: true}
	first, err := m.Append(&last)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := m.Append(&last); err != nil || !again.Duplicate || again.ID != first.ID {
		t.Errorf("sent again: %+v, %v", again, err)
	}
	if _, o := subscribe(t, m, at(m, 1), "run"); !o.Complete {
		t.Errorf("%+v", o)
	}
}

func TestWhatIsStaleDoesNotFollow(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory(rules(10, "run"), 1<<20, 0)
	m.clock = func() time.Time { return now }
	publish(t, m, "run")
	if _, err := m.Append(&event.Event{Topic: "run", TTL: time.Second, Last: true}); err != nil {
		t.Fatal(err)
	}
	if _, o := subscribe(t, m, at(m, 1), "run"); o.Complete {
		t.Errorf("the last event is still worth it: %+v", o)
	}
	now = now.Add(time.Second)
	if _, o := subscribe(t, m, at(m, 1), "run"); !o.Complete {
		t.Errorf("nothing follows that a reader would get: %+v", o)
	}
}

// TestWhatFollowsIsFoundWithoutALookAtEach holds what is known of the events that are still worth it against a look at each, and that
// no more of them are remembered than are needed for it.
func TestWhatFollowsIsFoundWithoutALookAtEach(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, ttl := range map[string]func() int{
		"always the same": func() int { return 5 },
		"any":             func() int { return r.IntN(10) },
		"mostly none":     func() int { return max(0, r.IntN(30)-25) },
	} {
		now := time.Unix(1000, 0)
		m := NewMemory(rules(20, "run"), 1<<20, 0)
		m.clock = func() time.Time { return now }
		s, _ := subscribe(t, m, Start{}, "run")
		for range 5000 {
			if _, err := m.Append(&event.Event{Topic: "run", TTL: time.Duration(ttl()) * time.Second}); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Duration(r.IntN(8)) * time.Second / 4)
			run, after := m.topics.byName["run"], m.Head().Seq-uint64(r.IntN(25))
			follows := false
			for i := run.ring.after(after); i < run.ring.count; i++ {
				follows = follows || !run.ring.at(i).Stale(now)
			}
			if s.follows(run, after, now) != follows {
				t.Fatalf("%s: %d of %d follows: %t", name, after, m.Head().Seq, !follows)
			}
			if n := len(run.lasting.brief); n > 10 || name == "always the same" && n > 1 {
				t.Fatalf("%s: %d events are remembered", name, n)
			}
		}
	}
}

func TestTopicsAreListedInPages(t *testing.T) {
	m := NewMemory(rules(2, "a", "z", "p.*"), 1<<20, 0)
	for range 3 {
		publish(t, m, "p.1")
	}
	publish(t, m, "p.2")
	if _, err := m.Complete("p.2"); err != nil {
		t.Fatal(err)
	}
	every := func(string) bool { return true }
	page, more := m.Topics("", 3, every)
	names := func(us []TopicUsage) (out []string) {
		for _, u := range us {
			out = append(out, fmt.Sprint(u.Name, " ", u.Events, " ", u.First.Seq, "-", u.Last.Seq, " ", u.Complete))
		}
		return out
	}
	if want := []string{"a 0 0-0 false", "p.1 2 2-3 false", "p.2 1 4-4 true"}; !more || !slices.Equal(names(page), want) {
		t.Errorf("%v, more %t", names(page), more)
	}
	page, more = m.Topics("p.2", 3, every)
	if more || !slices.Equal(names(page), []string{"z 0 0-0 false"}) {
		t.Errorf("%v, more %t", names(page), more)
	}
	if page, _ = m.Topics("", 3, func(name string) bool { return name == "z" }); len(page) != 1 {
		t.Errorf("chosen: %v", names(page))
	}
	if u, err := m.Topic("p.3"); err != nil || u.Name != "p.3" {
		t.Errorf("not yet: %+v, %v", u, err)
	}
	if _, err := m.Topic("q"); !errors.Is(err, ErrUndeclared) {
		t.Errorf("undeclared: %v", err)
	}
	if sum := m.topics.byName["p.1"].bytes + m.topics.byName["p.2"].bytes + m.topics.byName["p.1"].cost() + m.topics.byName["p.2"].cost() + 3*nodeOverhead; sum != m.Usage().Bytes {
		t.Errorf("topics take %d of %d bytes", sum, m.Usage().Bytes)
	}
}
