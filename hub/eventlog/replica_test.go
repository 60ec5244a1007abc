package eventlog

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// copied returns a copy of a log that has all of it so far, and the feed that it came by.

func copied(t testing.TB, m *Memory) (*Memory, *Feed) {
	t.Helper()
	c := NewMemory(nil, m.limit, m.linger)
	c.clock, c.began = m.clock, m.began.Add(-time.Hour)
	if err := c.Copy(m.Epoch()); err != nil {
		t.Fatal(err)
	}
	f, err := m.Feed(c.Position())
	if err != nil {
		t.Fatal(err)
	}
	feedAll(t, f, c)
	return c, f
}

// feedAll tells a copy all that there is, and returns the topics that ended.

func feedAll(t testing.TB, f *Feed, c *Memory) (ended []string) {
	t.Helper()
	for more := true; more; {
		var records []Record
		records, more = f.Next(100, nil)
		topics, err := c.Replicate(records)
		if err != nil {
			t.Fatal(err)
		}
		ended = append(ended, topics...)
	}
	return ended
}

// handOver gives a copy the right to append.

func handOver(t testing.TB, m *Memory, f *Feed, c *Memory) {
	t.Helper()
	end := m.Seal()
	feedAll(t, f, c)
	if err := c.Unseal(end); err != nil {
		t.Fatal(err)
	}
}

func TestACopyGoesOnWhereItsOriginEnded(t *testing.T) {
	m := NewMemory(rules(3, "a", "b", "p.*"), 1<<20, 0)
	for range 5 { // a holds 3..5, and lost 1 and 2
		publish(t, m, "a")
	}
	c, f := copied(t, m)
	publish(t, m, "b") // 6
	handOver(t, m, f, c)
	if c.Head() != m.Head() {
		t.Fatalf("%v, want %v", c.Head(), m.Head())
	}
	if seq := publish(t, c, "b"); seq != 7 {
		t.Errorf("the next event is %d", seq)
	}
	for after, want := range map[uint64]struct {
		lost []string
		next []uint64
	}{
		1: {[]string{"a"}, []uint64{3, 4, 5, 6, 7}},
		2: {nil, []uint64{3, 4, 5, 6, 7}},
		6: {nil, []uint64{7}},
	} {
		s, o := subscribe(t, c, at(m, after), "a", "b")
		if got := seqs(s.Read(o.Cursor.Seq, 1<<20, nil)); !slices.Equal(o.Lost, want.lost) || !slices.Equal(got, want.next) {
			t.Errorf("after %d: %+v, %v", after, o, got)
		}
	}
}

func TestOneLogOfAnEpochAppends(t *testing.T) {
	m := NewMemory(rules(3, "a", "b"), 1<<20, 0)
	publish(t, m, "a")
	c, f := copied(t, m)
	sealed := func(m *Memory) {
		t.Helper()
		before := m.Usage()
		if _, err := m.Append(&event.Event{Topic: "b", ID: "1"}); !errors.Is(err, ErrSealed) {
			t.Errorf("append: %v", err)
		}
		if _, err := m.Complete("b"); !errors.Is(err, ErrSealed) {
			t.Errorf("complete: %v", err)
		}
		if after := m.Usage(); after.Bytes != before.Bytes || after.Topics != before.Topics || m.sent.total() != 0 || !m.Sealed() {
			t.Errorf("%+v, then %+v", before, after)
		}
	}
	sealed(c)
	publish(t, m, "a")
	end := m.Seal()
	sealed(m)
	if err := c.Unseal(end); err == nil {
		t.Error("a copy appends that has not all")
	}
	sealed(c)
	if again := m.Seal(); again != end || end.Seq != 2 {
		t.Errorf("%+v, then %+v", end, again)
	}
	handOver(t, m, f, c)
	if c.Sealed() || publish(t, c, "a") != 3 {
		t.Errorf("%v", c.Head())
	}
	for _, r := range []Record{{UpTo: &Position{Seq: 9}}, {Rules: &RecordedRules{}}} {
		if _, err := c.Replicate([]Record{r}); err == nil || c.Head().Seq != 3 || len(c.Usage().Rules) != 2 {
			t.Errorf("it is told what another log appends: %v", err)
		}
	}
}

// TestTheFormerLogFollows holds that who still reads the log that was handed over gets what the other one appends.

func TestTheFormerLogFollows(t *testing.T) {
	m := NewMemory(rules(3, "a", "b"), 1<<20, 0)
	c, f := copied(t, m)
	s, o := subscribe(t, m, Start{}, "a", "b")
	publish(t, m, "a")
	handOver(t, m, f, c)
	back, err := c.Feed(m.Position())
	if err != nil {
		t.Fatal(err)
	}
	publish(t, c, "b")
	feedAll(t, back, m)
	b := s.Read(o.Cursor.Seq, 1<<20, nil)
	if !slices.Equal(seqs(b), []uint64{1, 2}) || len(b.Lost) > 0 || m.Head() != c.Head() {
		t.Errorf("%v, lost %v, head %v", seqs(b), b.Lost, m.Head())
	}
	for range 5 { // 3 and 4 are lost before it comes to them
		publish(t, c, "a")
	}
	if _, o := subscribe(t, m, Start{}, "a"); o.Reason != "" {
		t.Errorf("%+v", o)
	}
	feedAll(t, back, m)
	if b := s.Read(b.Cursor, 1<<20, nil); !slices.Equal(seqs(b), []uint64{5, 6, 7}) || !slices.Equal(b.Lost, []string{"a"}) {
		t.Errorf("%v, lost %v", seqs(b), b.Lost)
	}
}

// TestACopyTellsWhatIsLostAheadOfIt holds it for a reader who comes when the copy was told of a loss, and has not come so far.

func TestARetryAfterTheHandOverFindsItsEvent(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory(rules(1, "a.*", "b"), 1<<20, 0)
	m.clock = func() time.Time { return now }
	send := func(m *Memory, id, data string) (Receipt, error) {
		return m.Append(&event.Event{Topic: "a.1", ID: id, Data: []byte(data)})
	}
	for i := range 5 {
		if _, err := send(m, fmt.Sprint("id", i), "x"); err != nil {
			t.Fatal(err)
		}
		now = now.Add(10 * time.Second)
	}
	c, f := copied(t, m)
	if _, err := send(m, "late", "x"); err != nil {
		t.Fatal(err)
	}
	handOver(t, m, f, c)
	for i := range 5 { // all but the last one's events are gone
		if r, err := send(c, fmt.Sprint("id", i), "x"); err != nil || !r.Duplicate || r.ID.Seq != uint64(i+1) || r.Rule != "a.*" {
			t.Errorf("%d: %+v, %v", i, r, err)
		}
	}
	if r, err := send(c, "late", "x"); err != nil || r.ID.Seq != 6 || !r.Duplicate {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := send(c, "id0", "y"); !errors.Is(err, ErrIDReused) {
		t.Errorf("another event under an id: %v", err)
	}
	now = now.Add(duplicateWindow - 50*time.Second) // as old as the window: the first one
	if r, err := send(c, "id0", "x"); err != nil || r.Duplicate {
		t.Errorf("an old id: %+v, %v", r, err)
	}
	if r, err := send(c, "id1", "x"); err != nil || !r.Duplicate {
		t.Errorf("one that is not: %+v, %v", r, err)
	}
	again, _ := copied(t, c)
	if at := again.Position(); at != c.Position() || at.IDs != 7 || again.sent.order.count != len(again.sent.known) {
		t.Errorf("%+v of %+v", at, c.Position())
	}
}

func TestEventsAgeAndLingerInACopyAsTheyDid(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory([]Rule{{sel("old"), 9, time.Minute}, {sel("burst"), 1, time.Hour}, {sel("brief"), 9, time.Hour}}, 1<<20, 2*time.Second)
	m.clock = func() time.Time { return now }
	publish(t, m, "old")
	now = now.Add(30 * time.Second)
	publish(t, m, "old")
	publish(t, m, "burst")
	publish(t, m, "burst")
	if _, err := m.Append(&event.Event{Topic: "brief", TTL: 3 * time.Second}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	c, _ := copied(t, m)
	for _, step := range []struct {
		passes time.Duration
		want   []uint64
	}{
		{0, []uint64{1, 2, 3, 4, 5}},
		{time.Second, []uint64{1, 2, 4, 5}},
		{time.Second, []uint64{1, 2, 4}},
		{27 * time.Second, []uint64{2, 4}},
		{30 * time.Second, []uint64{4}},
	} {
		now = now.Add(step.passes)
		c.Expire()
		s := &Subscription{log: c, names: []string{"old", "burst", "brief"}}
		if got := seqs(s.Read(0, 1<<20, nil)); !slices.Equal(got, step.want) {
			t.Errorf("at %v: %v, want %v", now, got, step.want)
		}
	}
}

// TestATopicThatBeginsAgainIsNotComplete holds that a copy forgets that a topic is complete where its origin did, also when that has had

// more ends since than it notes.

// TestAnEventThatWasReplacedIsNoLossWhereItsSuccessorIsOnItsWay holds it for readers who conflate.

// TestRulesOfACopy holds that it follows those of its origin, and has its own afterwards: topics that are gone by either are a loss.

// TestWhatAForgottenTopicLostIsToldFromCopyToCopy holds it for a topic that the copy has, and that its origin forgot with events that the

// copy never had.

// TestAnyTopicThatMayHaveLostSomethingMayStillByOtherRules holds it for rules that are new, and for those that were there.

// TestATopicThatLostNothingIsNotTakenForAForgottenOne holds that a copy knows the topics that there are, where others are forgotten, also

// when its filling is interrupted in the beginning.

// TestAnEventOfATopicThatIsGoneIsLost holds it for one that is told while the origin's rules change, and whose topic comes back.

func TestRestartForgetsAll(t *testing.T) {
	m := NewMemory(rules(9, "a"), 1<<20, 0)
	publish(t, m, "a")
	before := m.Head()
	c, _ := copied(t, m)
	c.Restart()
	if c.Epoch() == before.Epoch || c.Sealed() || c.Usage().Bytes != 0 || publish(t, c, "a") != 1 {
		t.Errorf("%v, %+v", c.Head(), c.Usage())
	}
	if _, o := subscribe(t, c, Start{Cursor: before.String()}, "a"); o.Resume != ResumeReset {
		t.Errorf("%+v", o)
	}
}

func TestRecordsThatNoFeedTells(t *testing.T) {
	m := NewMemory(rules(9, "a"), 1<<20, 0)
	publish(t, m, "a")
	publish(t, m, "a")
	one := func() RecordedEvent {
		var r RecordedEvent
		m.topics.byName["a"].ring.at(1).record(&r, 0)
		return r
	}
	change := func(f func(r *RecordedEvent)) Record {
		r := one()
		f(&r)
		return Record{Event: &r}
	}
	for name, r := range map[string]Record{
		"nothing":              {},
		"an event that it has": change(func(r *RecordedEvent) { r.Seq, r.Frame = 1, m.topics.byName["a"].ring.at(0).Frame.Parts() }),
		"another one's frame":  change(func(r *RecordedEvent) { r.Seq = 3 }),
		"no topic":             change(func(r *RecordedEvent) { r.Topic = "b..c" }),
		"a loss of no topic":   {Lost: &RecordedLoss{Selector: ">", All: RecordedLast{Seq: 1}}},
		"a rule of no topic":   {Lost: &RecordedLoss{Selector: "..", Of: LosersForgotten}},
		"no rule":              {Rules: &RecordedRules{Rules: []RecordedRule{{Selector: ""}}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := NewMemory(nil, 1<<20, 0)
			if err := c.Copy(m.Epoch()); err != nil {
				t.Fatal(err)
			}
			first := one()
			first.Seq, first.Frame = 1, m.topics.byName["a"].ring.at(0).Frame.Parts()
			if _, err := c.Replicate([]Record{{Rules: &RecordedRules{Rules: []RecordedRule{{"a", 9, time.Hour}}, First: true}}, {Event: &first}}); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Replicate([]Record{r}); err == nil || c.Head().Seq != 1 {
				t.Errorf("it was taken over: %v", c.Head())
			}
		})
	}
	if err := NewMemory(nil, 1, 0).Copy("Epoch"); err == nil {
		t.Error("it copies no epoch")
	}
	if _, err := m.Feed(Position{Seq: 3}); err == nil {
		t.Error("it feeds what is ahead of it")
	}
}
