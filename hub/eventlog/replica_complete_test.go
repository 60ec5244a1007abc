package eventlog

import (
	"fmt"
	"slices"
	"testing"
)

func TestACopyIsCompleteWhenItHasAll(t *testing.T) {
	m := NewMemory(rules(9, "run.*"), 1<<24, 0)
	publish(t, m, "run.1")
	c, f := copied(t, m)
	handOver(t, m, f, c)
	back, err := c.Feed(m.Position())
	if err != nil {
		t.Fatal(err)
	}
	feedAll(t, back, m)
	s, _ := subscribe(t, m, Start{}, "run.1")
	publish(t, c, "run.1")
	publish(t, c, "run.1")
	if _, err := c.Complete("run.1"); err != nil {
		t.Fatal(err)
	}
	records, more := back.Next(1, nil)
	if ended, err := m.Replicate(records); err != nil || len(ended) > 0 || !more {
		t.Fatalf("ended %v, more %t, %v", ended, more, err)
	}
	if b := s.Read(1, 1<<20, nil); b.Complete || !slices.Equal(seqs(b), []uint64{2}) {
		t.Errorf("%v of two events, complete: %t", seqs(b), b.Complete)
	}
	if ended := feedAll(t, back, m); !slices.Equal(ended, []string{"run.1"}) {
		t.Errorf("ended: %v", ended)
	}
	if b := s.Read(2, 1<<20, nil); !b.Complete || !slices.Equal(seqs(b), []uint64{3}) {
		t.Errorf("%v, complete: %t", seqs(b), b.Complete)
	}
	for i := range maxEnds + 10 { // more than are noted
		if _, err := c.Complete(fmt.Sprint("run.x", i)); err != nil {
			t.Fatal(err)
		}
	}
	if ended := feedAll(t, back, m); len(ended) != maxEnds+10 {
		t.Errorf("%d ended", len(ended))
	}
	again, _ := copied(t, c)
	if _, o := subscribe(t, again, Start{}, "run.1", "run.x0"); !o.Complete {
		t.Errorf("%+v", o)
	}
}

func TestATopicThatBeginsAgainIsNotComplete(t *testing.T) {
	all := rules(9, "run.*")
	for _, ends := range []int{0, maxEnds + 10} {
		for _, event := range []bool{false, true} {
			m := NewMemory(all, 1<<24, 0)
			if _, err := m.Complete("run.1"); err != nil {
				t.Fatal(err)
			}
			c, f := copied(t, m)
			handOver(t, m, f, c)
			filled := NewMemory(nil, 1<<24, 0)
			if err := filled.Copy(c.Epoch()); err != nil {
				t.Fatal(err)
			}
			publish(t, c, "run.2")
			filling, err := c.Feed(filled.Position())
			if err != nil {
				t.Fatal(err)
			}
			records, _ := filling.Next(1, nil) // that run.1 is complete
			if _, err := filled.Replicate(records); err != nil {
				t.Fatal(err)
			}
			c.Configure(all, 1) // no room, not even for a topic without events
			c.Configure(all, 1<<24)
			if event {
				publish(t, c, "run.1")
			}
			for i := range ends {
				if _, err := c.Complete(fmt.Sprint("run.x", i)); err != nil {
					t.Fatal(err)
				}
			}
			back, err := c.Feed(m.Position())
			if err != nil {
				t.Fatal(err)
			}
			feedAll(t, back, m)
			feedAll(t, filling, filled)
			for i, l := range []*Memory{c, m, filled} {
				if u, err := l.Topic("run.1"); err != nil || u.Complete && (event || ends == 0) {
					t.Errorf("log %d, with %d ends, began again: %t: %+v, %v", i, ends, event, u, err)
				}
			}
		}
	}
}
