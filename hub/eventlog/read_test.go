package eventlog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// TestPatternsAgreeWithNames holds what a reader by pattern gets and is told against one that names each topic, while topics keep
// few events and lose others in any order.
func TestPatternsAgreeWithNames(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	m := NewMemory([]Rule{{sel("p.*"), 3, time.Hour}, {sel("p.deep"), 5000, time.Hour}, {sel("q"), 4000, time.Hour}}, 1<<20, 0)
	topics := []string{"p.deep", "p.1", "p.2", "p.3", "q"}
	for range 20 {
		start := Start{Conflate: r.IntN(2) == 0}
		byPattern, _ := subscribe(t, m, start, "p.*")
		byName, _ := subscribe(t, m, start, topics[:4]...)
		cursor := m.Head().Seq
		for range 10 {
			for range r.IntN(2500) {
				e := event.Event{Topic: topics[r.IntN(len(topics))], Key: fmt.Sprint(r.IntN(3))}
				if _, err := m.Append(&e); err != nil {
					t.Fatal(err)
				}
			}
			room := 1 + r.IntN(20_000)
			a, lostByPattern := readOn(byPattern, cursor, room)
			b, lostByName := readOn(byName, cursor, room)
			if !slices.Equal(a, b) || !slices.Equal(lostByPattern, lostByName) {
				t.Fatalf("after %d: %d entries and %v lost by pattern, %d and %v by name", cursor, len(a), lostByPattern, len(b), lostByName)
			}
			if len(a) > 0 {
				cursor = a[r.IntN(len(a))] // it lags
			}
		}
	}
}

// readOn reads until nothing follows.
func readOn(s *Subscription, after uint64, room int) (entries []uint64, lost []string) {
	for {
		b := s.Read(after, room, nil)
		entries, lost = append(entries, seqs(b)...), append(lost, b.Lost...)
		if !b.More {
			return entries, lost
		}
		after = b.Cursor
	}
}

// looked reads on to the end, and counts entries that came and that were looked at.
func looked(t *testing.T, s *Subscription, after uint64) (entries, looked, reads int) {
	t.Helper()
	for more := true; more; reads++ {
		b := s.Read(after, 64<<10, nil)
		if b.looked > 2*nearby || b.More && b.Cursor == after {
			t.Fatalf("one read looked at %d entries, from %d to %d", b.looked, after, b.Cursor)
		}
		entries, looked, after, more = entries+len(b.Entries), looked+b.looked, b.Cursor, b.More
	}
	return entries, looked, reads
}

func TestAReplayLooksAtNoEntriesOfOthers(t *testing.T) {
	m := NewMemory(rules(1_000_000, ">"), 4<<30, 0)
	const topics, others = 20, 1_000_000
	for i := range others {
		if i%(others/100) == 0 {
			n := i / (others / 100) % topics
			publish(t, m, fmt.Sprint("a.", n))
			publish(t, m, "one")
			publish(t, m, fmt.Sprint("deep.", n, ".x"))
		}
		publish(t, m, fmt.Sprint("others.", i%5000))
	}
	for _, c := range []struct {
		selectors []string
		want      int
	}{
		{[]string{"one"}, 100}, {[]string{"a.*"}, 100}, {[]string{"a.>"}, 100}, {[]string{"deep.*.x"}, 100}, {[]string{"a.*", "one", "a.>", "*"}, 200}, {[]string{"a.1", "a.2", "nothing"}, 10}, {[]string{"nothing.>"}, 0},
	} {
		for _, start := range []Start{{Earliest: true}, {Replay: 1000}, {Cursor: event.ID{Epoch: m.Epoch()}.String()}, {Since: time.Unix(0, 1)}} {
			s, o := subscribe(t, m, start, c.selectors...)
			if entries, n, _ := looked(t, s, o.Cursor.Seq); entries != c.want || n > c.want {
				t.Errorf("%v from %+v: %d of %d entries, and %d looked at", c.selectors, start, entries, c.want, n)
			}
		}
	}
}

func TestAReadOfManyTopicsIsShort(t *testing.T) {
	m := NewMemory(rules(1_000_000, ">"), 1<<30, 0)
	for range 10 * nearby {
		publish(t, m, "others")
	}
	for _, name := range names("p.", 3*nearby) {
		publish(t, m, name)
	}
	s, o := subscribe(t, m, Start{Earliest: true}, "p.*")
	if o.Cursor.Seq != nearby {
		t.Errorf("the opening has looked up to %v", o.Cursor)
	}
	if entries, n, reads := looked(t, s, o.Cursor.Seq); entries != 3*nearby || n > 13*nearby || reads < 12 {
		t.Errorf("%d entries, %d looked at in %d reads", entries, n, reads)
	}
	for _, behind := range []uint64{1, 10, nearby} {
		if entries, n, _ := looked(t, s, m.Head().Seq-behind); entries != int(behind) || n != int(behind) {
			t.Errorf("%d behind: %d entries, %d looked at", behind, entries, n)
		}
	}
}

func TestSinceTellsWhatIsMissing(t *testing.T) {
	m := NewMemory(rules(2, "a", "b"), 1<<20, 0)
	for range 3 {
		publish(t, m, "a") // 1 to 3, of which 1 is lost
	}
	for range 2 {
		publish(t, m, "b") // 4 and 5
	}
	if _, err := m.Append(&event.Event{Topic: "b", Last: true}); err != nil { // 6, and 4 is lost
		t.Fatal(err)
	}
	for _, c := range []struct {
		after   uint64
		limit   int
		entries []uint64
		upTo    uint64
		more    bool
	}{
		{0, 2, []uint64{2, 3}, 3, true},
		{3, 2, []uint64{5, 6}, 6, false},
		{1, 9, []uint64{2, 3, 5, 6}, 6, false},
		{5, 1, []uint64{6}, 6, false},
		{6, 1, nil, 6, false},
		{9, 1, nil, 9, false},
	} {
		entries, upTo, more := m.Since(c.after, c.limit, nil)
		if got := seqs(Batch{Entries: entries}); !slices.Equal(got, c.entries) || upTo != c.upTo || more != c.more {
			t.Errorf("after %d: %v up to %d, more %t; want %v up to %d, more %t", c.after, got, upTo, more, c.entries, c.upTo, c.more)
		}
	}
	if entries, _, _ := m.Since(4, 2, nil); entries[0].Last || !entries[1].Last {
		t.Error("the event that completes its topic does not say so")
	}
}

func TestAnnounceTellsEveryWatcherAndWaitsForNone(t *testing.T) {
	m := NewMemory(rules(2, "a"), 1<<20, 0)
	m.Announce() // to nobody
	first, second := make(chan struct{}, 1), make(chan struct{}, 1)
	m.Notify(first)
	m.Notify(second)
	publish(t, m, "a")
	if len(first)+len(second) > 0 {
		t.Error("an event is announced before it is asked for")
	}
	m.Announce()
	m.Announce()
	if len(first) != 1 || len(second) != 1 {
		t.Error("not everybody is told")
	}
}
