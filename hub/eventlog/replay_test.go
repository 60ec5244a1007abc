package eventlog

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestAReplayOfManyTopicsTakesNoMemory(t *testing.T) {
	const topics, readers = 20_000, 20
	m := NewMemory(rules(2, ">"), 1<<30, 0)
	for _, name := range names("p.", topics) {
		publish(t, m, name)
		publish(t, m, name)
	}
	many := []string{"p.*"}
	for i := range 63 {
		many = append(many, fmt.Sprintf("*.%d.x", i))
	}
	for _, start := range []Start{{Replay: 1}, {Earliest: true}, {Cursor: "00000000-5"}} {
		before := heapBytes()
		var subs []*Subscription
		for range readers {
			s, _ := subscribe(t, m, start, many...)
			subs = append(subs, s)
		}
		if grown := heapBytes() - before; grown > readers*20_000 {
			t.Errorf("%+v of %d topics takes %d bytes for %d readers", start, topics, grown, readers)
		}
		runtime.KeepAlive(subs)
	}
}

func TestAReplayIsTheSameAfterItsReaderWentBack(t *testing.T) {
	m := NewMemory(rules(10, "a", "b"), 1<<20, 0)
	for range 3 {
		publish(t, m, "a") // 1 3 5
		publish(t, m, "b") // 2 4 6
	}
	s, o := subscribe(t, m, Start{Replay: 2}, "a", "b")
	publish(t, m, "a") // 7
	for range 2 {      // the second time, as if a socket had taken nothing
		if b := s.Read(o.Cursor.Seq, 1<<20, nil); !slices.Equal(seqs(b), []uint64{3, 4, 5, 6, 7}) {
			t.Errorf("%v", seqs(b))
		}
	}
	if s, o = subscribe(t, m, Start{Replay: 1}, "a", "b"); !slices.Equal(seqs(s.Read(o.Cursor.Seq, 1<<20, nil)), []uint64{6, 7}) {
		t.Errorf("opens at %v", o)
	}
	if b := s.Read(1, 1<<20, nil); !slices.Equal(seqs(b), []uint64{6, 7}) {
		t.Errorf("%v", seqs(b))
	}
}

func TestWhatIsLostBeforeAReplayIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		start Start
		later int // events that come before the first read
		want  []uint64
		lost  bool
	}{
		"what it left out":      {Start{Replay: 2}, 2, []uint64{1, 6, 7, 8, 9}, false},
		"the oldest of its own": {Start{Replay: 2}, 3, []uint64{1, 7, 8, 9, 10}, true},
		"all of its own":        {Start{Replay: 2}, 4, []uint64{1, 8, 9, 10, 11}, true},
		"the oldest of all":     {Start{Earliest: true}, 1, []uint64{1, 5, 6, 7, 8}, true},
		"nothing":               {Start{Earliest: true}, 0, []uint64{1, 4, 5, 6, 7}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMemory(rules(4, "a", "b"), 1<<20, 0)
			publish(t, m, "b")
			for range 6 {
				publish(t, m, "a") // of which 4 to 7 are kept
			}
			s, o := subscribe(t, m, c.start, "a", "b")
			for range c.later {
				publish(t, m, "a")
			}
			if b := s.Read(o.Cursor.Seq, 1<<20, nil); !slices.Equal(seqs(b), c.want) || len(b.Lost) > 0 != c.lost {
				t.Errorf("%v, lost %v", seqs(b), b.Lost)
			}
		})
	}
}

func TestARuleThatKeepsFewerHidesNothingFromWhoAskedForAll(t *testing.T) {
	m := NewMemory(rules(4, "a"), 1<<20, time.Hour)
	for range 4 {
		publish(t, m, "a")
	}
	s, o := subscribe(t, m, Start{Earliest: true}, "a")
	m.Configure(rules(1, "a"), 1<<20) // the others linger
	if b := s.Read(o.Cursor.Seq, 1<<20, nil); !slices.Equal(seqs(b), []uint64{1, 2, 3, 4}) || len(b.Lost) > 0 {
		t.Errorf("%v, lost %v", seqs(b), b.Lost)
	}
}
