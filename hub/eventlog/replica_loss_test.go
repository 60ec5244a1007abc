package eventlog

import (
	"slices"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

func TestACopyTellsWhatIsLostAheadOfIt(t *testing.T) {
	m := NewMemory(rules(1, "a", "b", "c"), 1<<20, 0)
	for _, name := range []string{"c", "a", "a", "b"} { // 2 is lost
		publish(t, m, name)
	}
	c, f := copied(t, m)
	handOver(t, m, f, c)
	back, err := c.Feed(m.Position())
	if err != nil {
		t.Fatal(err)
	}
	feedAll(t, back, m)
	for range 3 {
		publish(t, c, "b")
	}
	records, _ := back.Next(1, nil)
	if _, err := m.Replicate(records[:1]); err != nil || records[0].Lost == nil {
		t.Fatalf("%+v, %v", records, err)
	}
	s, o := subscribe(t, m, Start{}, "b")
	if o.Cursor.Seq != 4 {
		t.Fatalf("%+v", o)
	}
	early, o := subscribe(t, m, Start{Replay: 2}, "a", "c")
	if b := early.Read(o.Cursor.Seq, 1<<20, nil); !slices.Equal(seqs(b), []uint64{1, 3}) || len(b.Lost) > 0 {
		t.Errorf("what was lost before: %v, lost %v", seqs(b), b.Lost)
	}
	if _, err := m.Replicate(records[1:]); err != nil {
		t.Fatal(err)
	}
	feedAll(t, back, m)
	if b := s.Read(4, 1<<20, nil); !slices.Equal(b.Lost, []string{"b"}) || !slices.Equal(seqs(b), []uint64{7}) {
		t.Errorf("%v, lost %v", seqs(b), b.Lost)
	}
}

func TestAnEventThatWasReplacedIsNoLossWhereItsSuccessorIsOnItsWay(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory([]Rule{{sel("a"), 9, time.Minute}}, 1<<20, 0)
	m.clock = func() time.Time { return now }
	publish(t, m, "a")
	now = now.Add(30 * time.Second)
	publish(t, m, "a")
	c := NewMemory(nil, 1<<20, 0)
	c.clock = m.clock
	if err := c.Copy(m.Epoch()); err != nil {
		t.Fatal(err)
	}
	f, err := m.Feed(c.Position())
	if err != nil {
		t.Fatal(err)
	}
	for c.Head().Seq == 0 {
		records, _ := f.Next(1, nil)
		if _, err := c.Replicate(records); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(40 * time.Second)
	c.Expire()
	feedAll(t, f, c)
	start := at(c, 0)
	for conflate, want := range map[bool]Resume{true: ResumeExact, false: ResumeGap} {
		start.Conflate = conflate
		if _, o := subscribe(t, c, start, "a"); o.Resume != want {
			t.Errorf("conflating %t: %+v", conflate, o)
		}
	}
}

func TestAnEventThatACopyHasNoRoomForIsLost(t *testing.T) {
	m := NewMemory(rules(1, "a", "b"), 1<<20, 0)
	publish(t, m, "b")
	if _, err := m.Append(&event.Event{Topic: "a", Data: make([]byte, 1<<16)}); err != nil {
		t.Fatal(err)
	}
	c := NewMemory(nil, 1<<12, 0)
	if err := c.Copy(m.Epoch()); err != nil {
		t.Fatal(err)
	}
	f, err := m.Feed(c.Position())
	if err != nil {
		t.Fatal(err)
	}
	feedAll(t, f, c)
	if _, o := subscribe(t, c, at(m, 0), "a", "b"); !slices.Equal(o.Lost, []string{"a"}) || c.Head().Seq != 2 || c.Usage().Events != 1 {
		t.Errorf("%+v", o)
	}
}

func TestRulesOfACopy(t *testing.T) {
	m := NewMemory(rules(9, "a", "b", "c"), 1<<20, 0)
	for _, name := range []string{"a", "b", "c"} {
		publish(t, m, name)
	}
	c, f := copied(t, m)
	m.Configure(rules(9, "b", "c", "d"), 1<<20)
	publish(t, m, "d")
	handOver(t, m, f, c)
	c.Configure(rules(9, "c", "d"), 1<<20)
	c.Configure(rules(9, ">"), 1<<20)
	for name, want := range map[string]Resume{"a": ResumeGap, "b": ResumeGap, "c": ResumeExact, "d": ResumeExact} {
		if _, o := subscribe(t, c, at(c, 0), name); o.Resume != want {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestWhatAForgottenTopicLostIsToldFromCopyToCopy(t *testing.T) {
	all := rules(9, "p.*")
	m := NewMemory(all, 1<<20, 0)
	publish(t, m, "p.1")
	c, f := copied(t, m)
	publish(t, m, "p.1") // 2
	m.Configure(all, 1)  // no room, not even for a topic without events
	m.Configure(all, 1<<20)
	publish(t, m, "p.2")
	handOver(t, m, f, c)
	c.Configure(all, 1<<20)
	again, _ := copied(t, c)
	for i, l := range []*Memory{c, again} {
		for after, want := range map[uint64]Resume{1: ResumeGap, 2: ResumeExact} {
			if _, o := subscribe(t, l, at(l, after), "p.1"); o.Resume != want {
				t.Errorf("copy %d after %d: %+v", i, after, o)
			}
		}
	}
}

func TestAnyTopicThatMayHaveLostSomethingMayStillByOtherRules(t *testing.T) {
	for name, now := range map[string][]Rule{"a rule that was there": rules(9, ">"), "a new rule": rules(9, "p.>", ">"), "a rule within": rules(9, "p.1", "p.*")} {
		m := NewMemory(rules(9, "p.*", ">"), 1<<20, 0)
		publish(t, m, "p.1")
		c, f := copied(t, m)
		publish(t, m, "p.1") // 2
		m.Configure(rules(9, "p.*", ">"), 1)
		m.Configure(rules(9, "p.*", ">"), 1<<20)
		handOver(t, m, f, c)
		c.Configure(now, 1<<20)
		if _, o := subscribe(t, c, at(c, 1), "p.1"); o.Resume != ResumeGap {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestATopicThatLostNothingIsNotTakenForAForgottenOne(t *testing.T) {
	now := time.Unix(1000, 0)
	all := []Rule{{sel("p.*"), 9, time.Minute}}
	m := NewMemory(all, 1<<20, 0)
	m.clock = func() time.Time { return now }
	publish(t, m, "p.gone")
	if _, err := m.Complete("p.idle"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(30 * time.Second)
	publish(t, m, "p.kept")
	now = now.Add(30 * time.Second)
	m.Expire()
	m.Configure(all, m.Usage().Bytes-1) // no room for the topic without events
	m.Configure(all, 1<<20)
	c := NewMemory(nil, 1<<20, 0)
	c.clock = m.clock
	if err := c.Copy(m.Epoch()); err != nil {
		t.Fatal(err)
	}
	for _, interrupted := range []bool{true, false} {
		f, err := m.Feed(c.Position())
		if err != nil {
			t.Fatal(err)
		}
		if !interrupted {
			feedAll(t, f, c)
			continue
		}
		records, _ := f.Next(1, nil)
		if _, err := c.Replicate(records[:len(records)-1]); err != nil || c.Usage().Topics == 0 {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]Resume{"p.gone": ResumeGap, "p.other": ResumeGap, "p.idle": ResumeExact, "p.kept": ResumeExact} {
		for i, l := range []*Memory{m, c} {
			if _, o := subscribe(t, l, at(l, 0), name); o.Resume != want || o.Complete != (name == "p.idle") {
				t.Errorf("log %d: %s: %+v", i, name, o)
			}
		}
	}
}

func TestAnEventOfATopicThatIsGoneIsLost(t *testing.T) {
	m := NewMemory(rules(9, "a", "b"), 1<<20, 0)
	publish(t, m, "b")
	c := NewMemory(nil, 1<<20, 0)
	if err := c.Copy(m.Epoch()); err != nil {
		t.Fatal(err)
	}
	var gone RecordedEvent
	m.all.oldest().record(&gone, 0)
	declared := &RecordedRules{Rules: []RecordedRule{{"a", 9, time.Hour}}, First: true}
	if _, err := c.Replicate([]Record{{Rules: declared}, {Event: &gone}, {UpTo: &Position{Seq: 1}}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Unseal(m.Seal()); err != nil {
		t.Fatal(err)
	}
	c.Configure(rules(9, "a", "b"), 1<<20)
	if _, o := subscribe(t, c, at(c, 0), "b"); o.Resume != ResumeGap {
		t.Errorf("%+v", o)
	}
}
