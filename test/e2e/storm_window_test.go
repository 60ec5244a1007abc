package e2e_test

import (
	"testing"
	"time"
)

func TestAStormIsSeenAndTheBacklogOfAPauseIsNone(t *testing.T) {
	const even = 100 // a second
	begin := time.Unix(1000, 0)
	second := func(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }
	// spread returns n moments between two times, in seconds.
	spread := func(n int, from, to float64) (at []time.Time) {
		for i := range n {
			at = append(at, second(from+(to-from)*float64(i)/float64(n)))
		}
		return at
	}
	steady := spread(1000, 0, 10)
	for name, c := range map[string]struct {
		at          []time.Time
		paused      []pause
		least, most float64
	}{
		"none":                       {nil, nil, 0, 0},
		"the even rate":              {steady, nil, 0.99, 1.02},
		"four times the even rate":   {append(spread(500, 0, 5), spread(800, 5, 7)...), nil, 3.9, 4.1},
		"a storm long after a pause": {append(spread(100, 0, 1), spread(800, 9, 11)...), []pause{{second(1), second(4)}}, 3.9, 4.1},
		// What was due in 3 s comes within half a second, and then what is due.
		"the backlog of a pause": {append(append(spread(200, 0, 2), spread(350, 5, 5.5)...), spread(450, 5.5, 10)...), []pause{{second(2), second(5)}}, 0.9, 1.1},
	} {
		t.Run(name, func(t *testing.T) {
			got := stormiest(c.at, 2*time.Second, even, &pauses{all: c.paused})
			if got.factor < c.least || got.factor > c.most {
				t.Errorf("%+v", got)
			}
		})
	}
}
