package eventlog

import (
	"errors"
	"slices"
	"testing"

	"github.com/runnel-dev/runnel/hub/event"
)

// copied returns a copy of a log that has all of it so far, and the feed that it came by.
func copied(t testing.TB, m *Memory) (*Memory, *Feed) {
	t.Helper()
	c := NewMemory(nil, m.limit, m.linger)
	c.clock = m.clock
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
	if _, err := c.Append(&event.Event{Topic: "a"}); !errors.Is(err, ErrSealed) {
		t.Errorf("a copy appends: %v", err)
	}
	handOver(t, m, f, c)
	if c.Epoch() != m.Epoch() || c.Head() != m.Head() {
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
