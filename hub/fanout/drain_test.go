package fanout

import (
	"testing"
	"time"
)

func TestADrainIsEven(t *testing.T) {
	const readers, window = 1000, 10 * time.Second
	p := pace{window: window, readers: readers}
	for at := instant(0); at <= window; at += drainStep {
		p.due(at)
		if even := 1 + int(int64(readers)*int64(at)/int64(window)); p.done < even-1 || p.done > even {
			t.Fatalf("%d of %d are ended after %v", p.done, readers, at)
		}
	}
	if p.done != readers {
		t.Errorf("%d of %d are ended in the end", p.done, readers)
	}
}

func TestADrainDoesNotMakeUpForATimeInWhichTheProcessStoodStill(t *testing.T) {
	const readers, window, still = 1000, 10 * time.Second, 4 * time.Second
	p := pace{window: window, readers: readers}
	p.due(time.Second)
	before := p.done
	if n := p.due(time.Second + still); n > int(readers*drainBurst/window) {
		t.Errorf("%d are ended at once", n)
	}
	for at := time.Second + still; p.done < readers; at += drainStep {
		if p.due(at); at > 2*window {
			t.Fatalf("%d of %d are ended after %v", p.done, readers, at)
		}
	}
	if before == 0 {
		t.Error("nobody was ended before")
	}
}

func TestADrainEndsAllWhoAreThereAndThoseWhoCome(t *testing.T) {
	for name, window := range map[string]time.Duration{"at once": 0, "over a window": 10 * drainStep} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, 2, calm)
			var all []*recorder
			for range 20 {
				r := newRecorder()
				h.read(r, "", "a")
				r.until(t, "open", contains("runnel-open"))
				all = append(all, r)
			}
			h.pool.Drain(window)
			late := newRecorder()
			h.read(late, "", "a")
			for _, r := range append(all, late) {
				r.until(t, "end", contains(`"reason":"drain"`))
			}
		})
	}
}
