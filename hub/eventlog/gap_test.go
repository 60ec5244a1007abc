package eventlog

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

func TestOpenings(t *testing.T) {
	m := NewMemory(rules(3, "a", "b", "p.*"), 1<<20, 0)
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
		"evicted":           {at(m, 1), []string{"a", "b"}, Opening{Resume: ResumeGap, Cursor: event.ID{Seq: 2}, Reason: ReasonEvicted, Lost: []string{"a"}}, []uint64{3, 4, 5, 6}},
		"quiet topic":       {at(m, 1), []string{"b"}, Opening{Resume: ResumeExact, Cursor: event.ID{Seq: 1}}, []uint64{6}},
		"pattern":           {at(m, 1), []string{">"}, Opening{Resume: ResumeGap, Cursor: event.ID{Seq: 2}, Reason: ReasonEvicted, Lost: []string{"a"}}, []uint64{3, 4, 5, 6}},
		"other epoch":       {Start{Cursor: "00000000-5"}, []string{"b", "p.*"}, Opening{Resume: ResumeReset, Cursor: event.ID{Seq: 5}, Reason: ReasonReset, Lost: []string{"b", "p.*"}}, []uint64{6}},
		"unreadable":        {Start{Cursor: "CLOSE"}, []string{"b"}, Opening{Resume: ResumeGap, Cursor: event.ID{Seq: 6}, Reason: ReasonUnknownID, Lost: []string{"b"}}, nil},
		"from the future":   {at(m, 7), []string{"b"}, Opening{Resume: ResumeGap, Cursor: event.ID{Seq: 6}, Reason: ReasonUnknownID, Lost: []string{"b"}}, nil},
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
	m := NewMemory(rules(10, ">"), 1<<20, 0)
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
	m := NewMemory([]Rule{{sel("a"), 3, time.Hour}}, 1<<20, 0)
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
	if _, o := subscribe(t, m, Start{Since: time.Unix(1000, 0)}, "a"); o.Resume != ResumeGap || o.Cursor.Seq != 1 {
		t.Errorf("what was dropped was wanted: %+v", o)
	}
	if _, o := subscribe(t, m, Start{Since: time.Unix(1000, 1000)}, "a"); o.Resume != ResumeLive || o.Cursor.Seq != 1 {
		t.Errorf("what was dropped was not: %+v", o)
	}
	if _, o := subscribe(t, m, Start{Since: time.Unix(1002, 0)}, "a"); o.Resume != ResumeLive || o.Cursor.Seq != 2 {
		t.Errorf("%+v", o)
	}
	now = now.Add(2 * time.Hour)
	m.Expire()
	if _, o := subscribe(t, m, Start{Since: now.Add(-time.Minute)}, "a"); o.Resume != ResumeLive {
		t.Errorf("a quiet topic lost nothing: %+v", o)
	}
}

func TestOlderLossAfterNewerIsTold(t *testing.T) {
	m := NewMemory([]Rule{{sel("fast"), 1, time.Hour}, {sel("slow"), 2, time.Hour}}, 1<<20, 0)
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
	m := NewMemory([]Rule{{sel("p.*"), 1, time.Second}}, 1<<30, 0)
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

// TestLossesAmongManyTopicsAreFoundWithoutALookAtEach holds that however many topics lost something since a reader was told, few of
// them are looked at: none is missed for that, and a pattern of which nothing was lost after the cursor is not named.
func TestLossesAmongManyTopicsAreFoundWithoutALookAtEach(t *testing.T) {
	m := NewMemory([]Rule{{sel("u.>"), 2, time.Hour}, {sel(">"), 1, time.Hour}}, 1<<30, 0)
	all, deep := names("u.", 5*nearby), names("u.of.", 3*nearby)
	round := func(names []string) {
		for _, name := range names {
			publish(t, m, name)
		}
	}
	check := func(after uint64, pattern string, want ...string) {
		t.Helper()
		s, _ := subscribe(t, m, Start{}, pattern)
		looked := 0
		got := m.lossesOf(sel(pattern), m.all.dropsAt(after), func(l losses, of *topic) bool {
			looked++
			return l.all.seq > s.from(of, after)
		})
		if !slices.Equal(got, want) || looked > 3*nearby {
			t.Errorf("%s lost %v after %d, want %v; %d looks", pattern, got, after, want, looked)
		}
	}
	round(all)
	round(deep)
	round(all)
	round(deep)
	cursor := m.Head().Seq
	round(all) // each lost what was read
	round(deep)
	for range 3 {
		publish(t, m, "hot")
	}
	check(cursor, "u.*")
	check(cursor, "u.>")
	check(cursor, "u.of.*")
	check(cursor, ">", ">")
	for range 2 {
		publish(t, m, deep[7])
	}
	check(cursor, "u.of.*", "u.of.*")
	round(all[:2*nearby]) // it is far from the newest ones that lost something
	check(cursor, "u.*")
	check(cursor, "u.of.*", "u.of.*")
	check(cursor, "u.>", "u.>")
	round(all)
	check(cursor, "u.*", "u.*")
	check(m.Head().Seq, "u.*")
}

func TestANewRuleTellsTheGapsOfTopicsThatItTakesOver(t *testing.T) {
	now := time.Unix(1000, 0)
	all, some := Rule{sel(">"), 1, time.Second}, Rule{sel("p.*"), 1, time.Second}
	m := NewMemory([]Rule{all}, 1<<20, 0)
	m.clock = func() time.Time { return now }
	publish(t, m, "p.x")
	now = now.Add(time.Minute)
	m.Configure([]Rule{all}, 1) // no room, not even for a topic without events
	m.Configure([]Rule{all, some}, 1<<20)
	if _, o := subscribe(t, m, at(m, 0), "p.x"); o.Resume != ResumeGap {
		t.Errorf("%+v", o)
	}
	if _, o := subscribe(t, m, at(m, 0), "q.x"); o.Resume != ResumeGap {
		t.Errorf("of the old rule: %+v", o)
	}
}

func TestRemovedTopicsAreALoss(t *testing.T) {
	m := NewMemory(rules(10, "a", "b", "p.*"), 1<<20, 0)
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
