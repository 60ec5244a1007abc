package follow

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestRestsUntilAFileThatIsWrittenInStepsIsWhole(t *testing.T) {
	for name, c := range map[string]struct {
		steps []time.Duration // between writes
		want  time.Duration   // from the first write on
	}{
		"one step":                         {nil, 200 * time.Millisecond},
		"two steps":                        {[]time.Duration{199 * time.Millisecond}, 399 * time.Millisecond},
		"three steps":                      {[]time.Duration{150 * time.Millisecond, 150 * time.Millisecond}, 500 * time.Millisecond},
		"others that never come to an end": {[]time.Duration{190 * time.Millisecond, 190 * time.Millisecond, 190 * time.Millisecond, 190 * time.Millisecond, 190 * time.Millisecond}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRest()
				defer r.Stop()
				began := time.Now()
				r.disturb()
				for _, step := range c.steps {
					select {
					case <-r.C:
						t.Fatalf("read after %v", time.Since(began))
					case <-time.After(step):
						r.disturb()
					}
				}
				<-r.C
				if got := time.Since(began); got != c.want {
					t.Errorf("read after %v, want %v", got, c.want)
				}
			})
		})
	}
}
