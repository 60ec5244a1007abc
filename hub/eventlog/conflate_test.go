package eventlog

import (
	"slices"
	"testing"

	"github.com/runnel-dev/runnel/hub/event"
)

func TestConflationKeepsTheNewestOfEachKey(t *testing.T) {
	m := NewMemory(rules(10, "a", "b"), 1<<20, 0)
	s, _ := subscribe(t, m, Start{Conflate: true}, "a", "b")
	all, _ := subscribe(t, m, Start{}, "a", "b")
	keyed := func(topic, key string) {
		t.Helper()
		if _, err := m.Append(&event.Event{Topic: topic, Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range [][2]string{{"a", ""}, {"b", ""}, {"a", ""}, {"a", "x"}, {"a", "y"}, {"b", "x"}, {"a", "x"}, {"a", ""}} {
		keyed(e[0], e[1])
	}
	if b := s.Read(0, 1<<20, nil); !slices.Equal(seqs(b), []uint64{2, 5, 6, 7, 8}) || b.Cursor != 8 {
		t.Errorf("behind: %v", seqs(b))
	}
	if b := s.Read(5, 1<<20, nil); !slices.Equal(seqs(b), []uint64{6, 7, 8}) {
		t.Errorf("less behind: %v", seqs(b))
	}
	if b := all.Read(0, 1<<20, nil); len(b.Entries) != 8 {
		t.Errorf("others get all: %v", seqs(b))
	}
	keyed("a", "")
	if b := s.Read(8, 1<<20, nil); !slices.Equal(seqs(b), []uint64{9}) {
		t.Errorf("abreast: %v", seqs(b))
	}
}

func TestWhatANewerEventReplacedIsNoLossToAConflatingReader(t *testing.T) {
	for name, c := range map[string]struct {
		keys []string // of events in a topic that keeps two
		lost bool
	}{
		"no keys":                    {[]string{"", "", "", ""}, false},
		"one key":                    {[]string{"x", "x", "x"}, false},
		"the newest of a key":        {[]string{"x", "y", "y", "y"}, true},
		"keys after none":            {[]string{"", "x", "x"}, true},
		"replaced before it dropped": {[]string{"x", "x", "y"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMemory(rules(2, "a"), 1<<20, 0)
			s, _ := subscribe(t, m, Start{Conflate: true}, "a")
			plain, _ := subscribe(t, m, Start{}, "a")
			for _, k := range c.keys {
				if _, err := m.Append(&event.Event{Topic: "a", Key: k}); err != nil {
					t.Fatal(err)
				}
			}
			if b := s.Read(0, 1<<20, nil); len(b.Lost) > 0 != c.lost {
				t.Errorf("lost %v of %v", b.Lost, c.keys)
			}
			if b := plain.Read(0, 1<<20, nil); len(b.Lost) != 1 {
				t.Errorf("a reader of all lost %v", b.Lost)
			}
			_, o := subscribe(t, m, Start{Cursor: event.ID{Epoch: m.Epoch()}.String(), Conflate: true}, "a")
			if o.Reason != "" != c.lost {
				t.Errorf("coming back: %+v", o)
			}
		})
	}
}

func TestKeysAreForgottenWithTheirEvents(t *testing.T) {
	m := NewMemory(rules(2, "a"), 1<<20, 0)
	for _, k := range []string{"1", "2", "3", "4"} {
		if _, err := m.Append(&event.Event{Topic: "a", Key: k}); err != nil {
			t.Fatal(err)
		}
	}
	a := m.topics.byName["a"]
	if len(a.newest) != 2 || a.bytes != 2*(a.ring.oldest().cost()) {
		t.Errorf("%d keys, %d bytes", len(a.newest), a.bytes)
	}
}
