package eventlog

import (
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// expireAll drops what is due, and counts the steps.
func expireAll(m *Memory) int {
	steps := math.MaxInt
	m.expire(m.clock(), &steps)
	return math.MaxInt - steps
}

func TestAgeCostsAStepForEachEvent(t *testing.T) {
	for _, topics := range []int{1, 100, 10_000} {
		now := time.Unix(1000, 0)
		m := NewMemory([]Rule{{sel(">"), 10_000, time.Minute}}, 1<<30, 0)
		m.clock = func() time.Time { return now }
		all := names("p.", topics)
		const events = 20_000
		for i := range events {
			publish(t, m, all[i%topics])
			now = now.Add(time.Millisecond)
		}
		if n := expireAll(m); n != 0 {
			t.Errorf("%d topics: %d steps before anything is due", topics, n)
		}
		now = time.Unix(1000, 0).Add(time.Minute + events/2*time.Millisecond)
		if n, left := expireAll(m), m.Usage().Events; left != events/2-1 || n > events/2+topics+1 {
			t.Errorf("%d topics: %d steps, %d events are left", topics, n, left)
		}
		now = now.Add(time.Hour)
		if n, left := expireAll(m), m.Usage().Events; left != 0 || n > events/2+topics {
			t.Errorf("%d topics: %d steps, %d events are left", topics, n, left)
		}
		if len(m.ages.due) != 0 {
			t.Errorf("%d empty topics have an age", len(m.ages.due))
		}
	}
}

func TestEventsThatGoForOtherReasonsCostNoStepOfAge(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory([]Rule{{sel(">"), 10, time.Minute}}, 1<<30, 0)
	m.clock = func() time.Time { return now }
	steps := 0
	for range 10_000 { // of 10 ms, which is 100 s
		publish(t, m, "a")
		now = now.Add(10 * time.Millisecond)
		steps += expireAll(m)
	}
	if steps > 2 {
		t.Errorf("%d steps", steps)
	}
}

func TestAFewStepsAtATimeComeToTheSame(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory([]Rule{{sel(">"), 5 * stepsOfHold, time.Minute}}, 1<<30, time.Second)
	m.clock = func() time.Time { return now }
	for i := range 20 * stepsOfHold {
		publish(t, m, fmt.Sprint("p.", i%2))
	}
	publish(t, m, "q")
	now = now.Add(time.Second)
	if u := m.Usage(); u.Events != 20*stepsOfHold+1 {
		t.Errorf("nothing has lingered long enough: %+v", u)
	}
	m.Expire()
	if u := m.Usage(); u.Events != 10*stepsOfHold+1 {
		t.Errorf("what has lingered is gone: %+v", u)
	}
	now = now.Add(time.Hour)
	publish(t, m, "r")
	if u := m.Usage(); u.Events != 10*stepsOfHold+2-(stepsOfAppend-1) && u.Events != 10*stepsOfHold+2-stepsOfAppend {
		t.Errorf("an append has dropped what is due: %+v", u)
	}
	m.Expire()
	if u := m.Usage(); u.Events != 1 {
		t.Errorf("all is due but one: %+v", u)
	}
}

func TestALargeEventPushesOutManySmallOnes(t *testing.T) {
	const limit = 8 << 20
	m := NewMemory(rules(1_000_000, ">"), limit, 0)
	for m.Usage().Bytes < limit-1000 {
		publish(t, m, "small")
	}
	small := m.Usage().Events
	if _, err := m.Append(&event.Event{Topic: "large", Data: make([]byte, limit/2)}); err != nil {
		t.Fatal(err)
	}
	if u := m.Usage(); u.Bytes > limit || u.Events < small/2-100 || u.Events > small/2+100 {
		t.Errorf("%+v, of %d small events", u, small)
	}
}

// TestAHundredThousandTopics holds that so many are served and forgotten like a few.
func TestAHundredThousandTopics(t *testing.T) {
	const topics = 100_000
	now := time.Unix(1000, 0)
	before := heapBytes()
	m := NewMemory([]Rule{{sel("p.>"), 5, time.Minute}, {sel("q"), 5, time.Hour}}, 1<<30, 0)
	m.clock = func() time.Time { return now }
	all := names("p.", topics)
	for _, name := range all {
		publish(t, m, name)
		publish(t, m, name)
	}
	last := publish(t, m, "q")
	if u := m.Usage(); u.Topics != topics+1 || u.Events != 2*topics+1 {
		t.Errorf("%+v", u)
	}
	for i, selector := range []string{all[0], all[topics/2], all[topics-1]} {
		s, o := subscribe(t, m, at(m, 0), selector)
		if entries, n, _ := looked(t, s, o.Cursor.Seq); entries != 2 || n != 2 || o.Resume != ResumeExact {
			t.Errorf("%d: %d entries, %d looked at, %+v", i, entries, n, o)
		}
	}
	s, o := subscribe(t, m, Start{Earliest: true}, ">")
	if entries, n, _ := looked(t, s, o.Cursor.Seq); entries != 2*topics+1 || n != entries {
		t.Errorf("%d entries, %d looked at", entries, n)
	}
	replay, o := subscribe(t, m, Start{Replay: 1}, "p.*")
	if entries, n, _ := looked(t, replay, o.Cursor.Seq); entries != topics || n > 2*topics+1 || replay.Read(last, 1, nil).More {
		t.Errorf("%d entries of a replay, %d looked at", entries, n)
	}
	if page, more := m.Topics(all[0], 10, func(string) bool { return true }); len(page) != 10 || !more || page[0].Name != "p.1" || page[0].Events != 2 {
		t.Errorf("%+v", page)
	}
	now = now.Add(time.Minute)
	m.Expire()
	if u := m.Usage(); u.Topics != maxIdleTopics+1 || u.Events != 1 || u.Bytes > (maxIdleTopics+2)*(topicOverhead+nodeOverhead+20) {
		t.Errorf("the idle are not forgotten: %+v", u)
	}
	if _, o := subscribe(t, m, at(m, 0), all[0]); o.Resume != ResumeGap {
		t.Errorf("forgotten with its events: %+v", o)
	}
	if _, o := subscribe(t, m, at(m, last), ">"); o.Resume != ResumeExact {
		t.Errorf("nothing was lost since: %+v", o)
	}
	publish(t, m, all[0])
	if b := s.Read(last, 1<<20, nil); len(b.Entries) != 1 {
		t.Errorf("reading goes on: %v", seqs(b))
	}
	if grown := heapBytes() - before; grown > 40<<20 {
		t.Errorf("%d bytes are left of %d topics", grown, topics)
	}
	runtime.KeepAlive(m)
}
