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

func TestAReadLooksThroughSoManyEntriesAndNoMore(t *testing.T) {
	m := NewMemory(rules(1_000_000, ">"), 1<<30, 0)
	for range 10 * nearby {
		publish(t, m, "others")
	}
	last := publish(t, m, "p.x")
	s, o := subscribe(t, m, Start{Earliest: true}, "p.*")
	if o.Cursor.Seq != last-1 {
		t.Errorf("the opening is not just before the first event: %v", o.Cursor)
	}
	reads := 1
	b := s.Read(0, 1<<20, nil)
	for ; b.More && len(b.Entries) == 0; b = s.Read(b.Cursor, 1<<20, nil) {
		reads++
	}
	if !slices.Equal(seqs(b), []uint64{last}) || b.More || reads < 10 {
		t.Errorf("%v in %d reads", seqs(b), reads)
	}
}

func TestMarksFindEntriesThatAreLeft(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var k marks
	all := list{via: globalLinks}
	var left []*Entry
	for seq := uint64(1); seq < 50*markSpan; seq += 1 + r.Uint64N(markSpan) {
		e := &Entry{Seq: seq}
		all.push(e)
		k.push(e)
		left = append(left, e)
		for len(left) > 0 && r.IntN(3) > 0 {
			i := r.IntN(len(left))
			k.remove(left[i])
			all.remove(left[i])
			left = slices.Delete(left, i, i+1)
		}
		after := r.Uint64N(seq + 2)
		var want *Entry
		if i := slices.IndexFunc(left, func(e *Entry) bool { return e.Seq > after }); i >= 0 {
			want = left[i]
		}
		if got := k.after(after); got != want {
			t.Fatalf("after %d: %+v, want %+v", after, got, want)
		}
		if len(k.marks) > 2*len(left)+1 {
			t.Fatalf("%d marks of %d entries", len(k.marks), len(left))
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
