package eventlog

import (
	"fmt"
	"testing"
	"time"
)

func TestACopyForgetsIdleTopicsWhenItAppends(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory([]Rule{{sel("p.*"), 1, time.Second}}, 1<<30, 0)
	m.clock = func() time.Time { return now }
	for _, name := range names("p.", maxIdleTopics+100) {
		publish(t, m, name)
	}
	c, f := copied(t, m)
	now = now.Add(time.Minute)
	c.Expire()
	if u := c.Usage(); u.Topics != maxIdleTopics+100 || u.Events > 0 {
		t.Errorf("%+v", u)
	}
	handOver(t, m, f, c)
	if u := c.Usage(); u.Topics != maxIdleTopics {
		t.Errorf("%+v", u)
	}
}

func TestACopyKeepsToItsLimitAndRemembersManyTopics(t *testing.T) {
	const topics = 2 * maxIdleTopics
	m := NewMemory(rules(1, "p.*"), 1<<30, 0)
	for range 2 {
		for _, name := range names("p.", topics) {
			publish(t, m, name)
		}
	}
	c, f := copied(t, m)
	handOver(t, m, f, c)
	if u := c.Usage(); u.Topics != topics {
		t.Errorf("%+v", u)
	}
	for _, i := range []int{0, topics / 2, topics - 1} {
		after := uint64(i + 1) // which it lost
		if _, o := subscribe(t, c, at(c, after), fmt.Sprint("p.", i)); o.Resume != ResumeExact {
			t.Errorf("after its loss: %+v", o)
		}
		if _, o := subscribe(t, c, at(c, after-1), fmt.Sprint("p.", i)); o.Resume != ResumeGap {
			t.Errorf("before it: %+v", o)
		}
	}
	const limit = 1 << 20
	small := NewMemory(nil, limit, 0)
	if err := small.Copy(m.Epoch()); err != nil {
		t.Fatal(err)
	}
	f, err := m.Feed(small.Position())
	if err != nil {
		t.Fatal(err)
	}
	for more := true; more; {
		var records []Record
		records, more = f.Next(1000, nil)
		if _, err := small.Replicate(records); err != nil {
			t.Fatal(err)
		}
		if u := small.Usage(); u.Bytes > limit {
			t.Fatalf("%+v", u)
		}
	}
	if u := small.Usage(); u.Events == 0 {
		t.Errorf("%+v", u)
	}
	if _, o := subscribe(t, small, at(m, topics), "p.0"); o.Resume != ResumeGap {
		t.Errorf("what it has no room for: %+v", o)
	}
}
