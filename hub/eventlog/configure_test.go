package eventlog

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

func TestConfigureGoesThroughVeryMuch(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory([]Rule{{sel("gone"), 10_000, time.Hour}, {sel("p.*"), 10_000, time.Hour}, {sel("q"), 10_000, time.Hour}}, 1<<30, 0)
	m.clock = func() time.Time { return now }
	for i := range 10 * stepsOfHold {
		publish(t, m, "gone")
		publish(t, m, fmt.Sprint("p.", i))
		publish(t, m, "q")
		publish(t, m, "q")
	}
	m.Configure([]Rule{{sel("q"), 5 * stepsOfHold, time.Hour}, {sel("p.1"), 10, time.Hour}, {sel(">"), 10, time.Hour}}, 1<<30)
	m.Configure([]Rule{{sel("q"), 5 * stepsOfHold, time.Hour}, {sel("p.1"), 10, time.Hour}, {sel("p.*"), 10, time.Hour}}, 1<<30)
	want := []RuleUsage{{"p.1", 1}, {"q", 5 * stepsOfHold}, {"p.*", 10*stepsOfHold - 1}}
	if u := m.Usage(); !slices.Equal(u.Rules, want) || u.Events != 15*stepsOfHold || u.Topics != 10*stepsOfHold+1 {
		t.Errorf("%+v", u)
	}
	for _, name := range []string{"gone", "p.1", "p.2", "q"} {
		if _, err := m.Topic(name); (err != nil) != (name == "gone") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfigureChangesAges(t *testing.T) {
	now := time.Unix(1000, 0)
	aged := func(a, b time.Duration) []Rule { return []Rule{{sel("a"), 10, a}, {sel("b"), 10, b}} }
	m := NewMemory(aged(time.Hour, time.Minute), 1<<20, 0)
	m.clock = func() time.Time { return now }
	publish(t, m, "a")
	publish(t, m, "b")
	m.Configure(aged(time.Minute, time.Hour), 1<<20)
	now = now.Add(time.Minute)
	m.Expire()
	for name, want := range map[string]int{"a": 0, "b": 1} {
		if u, err := m.Topic(name); err != nil || u.Events != want {
			t.Errorf("%+v, %v", u, err)
		}
	}
	m.Configure(aged(time.Minute, time.Minute), 1<<20)
	if u := m.Usage(); u.Events != 0 {
		t.Errorf("at once: %+v", u)
	}
}

// TestLossesOfFewAmongMany holds that a pattern's losses are named whether many other topics lost something later or not.
func TestLossesOfFewAmongMany(t *testing.T) {
	m := NewMemory(rules(1, ">"), 1<<30, 0)
	s, _ := subscribe(t, m, Start{}, "a.*")
	for _, name := range []string{"a.1", "a.2", "a.1", "a.3"} {
		publish(t, m, name)
	}
	for range 2 {
		for _, name := range names("others.", 3*nearby) {
			publish(t, m, name)
		}
	}
	if b := s.Read(0, 1<<20, nil); !slices.Equal(b.Lost, []string{"a.1"}) || !slices.Equal(seqs(b), []uint64{2, 3, 4}) {
		t.Errorf("%v, lost %v", seqs(b), b.Lost)
	}
	if b := s.Read(0, 1<<20, nil); len(b.Lost) > 0 {
		t.Errorf("told again: %v", b.Lost)
	}
	many, o := subscribe(t, m, at(m, 4), "others.*")
	if b := many.Read(o.Cursor.Seq, 1<<20, nil); !slices.Equal(o.Lost, []string{"others.*"}) || len(b.Lost) > 0 {
		t.Errorf("%+v, then lost %v", o, b.Lost)
	}
	back, o := subscribe(t, m, at(m, 4+3*nearby), "*.*")
	if b := back.Read(o.Cursor.Seq, 1<<20, nil); o.Resume != ResumeExact || len(b.Lost) > 0 {
		t.Errorf("nothing was lost since: %+v, %v", o, b.Lost)
	}
}

func TestAnIDIsKnownForItsTimeAlone(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory(rules(10, "a"), 1<<20, 0)
	m.clock = func() time.Time { return now }
	send := func(id string) Receipt {
		t.Helper()
		r, err := m.Append(&event.Event{Topic: "a", ID: id})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for i := range 10 * stepsOfAppend {
		send(fmt.Sprint(i))
	}
	now = now.Add(duplicateWindow)
	newest := fmt.Sprint(10*stepsOfAppend - 1)
	if r := send(newest); r.Duplicate || m.sent.order.count < stepsOfAppend {
		t.Errorf("%+v, after its time", r)
	}
	m.Expire()
	if r := send(newest); !r.Duplicate || len(m.sent.known) != 1 {
		t.Errorf("%+v, when what came first is forgotten; %d are known", r, len(m.sent.known))
	}
	now = now.Add(duplicateWindow)
	m.Expire()
	if m.sent.known != nil || m.sent.order.slots != nil {
		t.Errorf("%+v is left", m.sent)
	}
}

func TestATimeToLiveWithoutEnd(t *testing.T) {
	m := NewMemory(rules(10, "a"), 1<<20, 0)
	if _, err := m.Append(&event.Event{Topic: "a", TTL: 1<<63 - 1}); err != nil {
		t.Fatal(err)
	}
	s, _ := subscribe(t, m, Start{}, "a")
	if b := s.Read(0, 1<<20, nil); len(b.Entries) != 1 || b.Entries[0].Stale(time.Unix(1<<40, 0)) {
		t.Errorf("%v", seqs(b))
	}
}

func TestTimesThatNoClockShows(t *testing.T) {
	m := NewMemory(rules(10, "a"), 1<<20, 0)
	publish(t, m, "a")
	for year, want := range map[int]uint64{1: 0, 1500: 0, 1969: 0, 2400: 1, 9999: 1} {
		if _, o := subscribe(t, m, Start{Since: time.Date(year, 1, 1, 1, 0, 0, 0, time.UTC)}, "a"); o.Cursor.Seq != want || o.Resume != ResumeLive {
			t.Errorf("since the year %d: %+v", year, o)
		}
	}
}
