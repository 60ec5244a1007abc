package eventlog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// TestNothingIsLostInSilenceAtTheSameTime is TestNothingIsLostInSilence with publishers, readers, reloads and all else at once. The
// race detector looks on.
func TestNothingIsLostInSilenceAtTheSameTime(t *testing.T) {
	narrow, wide := []Rule{{sel("a.*"), 3, time.Minute}, {sel("b"), 2000, time.Minute}}, []Rule{{sel("a.>"), 300, time.Minute}, {sel("a.1"), 5, time.Minute}, {sel("c"), 1, time.Minute}}
	m := NewMemory(narrow, 1<<20, 10*time.Millisecond)
	var publishers, others sync.WaitGroup
	done := make(chan struct{})
	// meanwhile does some work at each announcement, until all is published.
	meanwhile := func(work func(i int)) {
		news := make(chan struct{}, 1)
		m.Notify(news)
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				case <-news:
					work(i)
				}
			}
		})
	}
	stored := make([][]sent, 3)
	for _, work := range []func(i int){
		func(i int) { m.Configure([][]Rule{narrow, wide}[i%2], 1<<20>>(i%5)) },
		func(int) { m.Expire() },
		func(int) { m.Topics("", 10, func(string) bool { return true }) },
		func(int) { m.Usage() },
		func(i int) {
			if _, err := m.Complete(fmt.Sprint("a.done", i%100)); err == nil {
				_, _ = m.Topic("a.1")
			}
		},
	} {
		meanwhile(work)
	}
	all := []*follower{}
	for _, selectors := range [][]string{{">"}, {"a.*"}, {"a.1", "a.2"}, {"a.>", "b"}, {"a.1", "a.*", "b"}} {
		f := &follower{selectors: sels(selectors...), got: map[uint64]bool{}}
		f.open(m, event.ID{Epoch: m.Epoch()}.String())
		all = append(all, f)
		meanwhile(func(i int) {
			for f.read(t, m) {
				continue
			}
			if i%7 == 0 {
				f.open(m, event.ID{Epoch: m.Epoch(), Seq: f.cursor}.String())
			}
		})
	}
	for p := range stored {
		publishers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(p), 1))
			for range 10_000 {
				e := event.Event{Topic: []string{"a.1", "a.2", "a.3", "a.x.1", "b", "c"}[r.IntN(6)], Data: make([]byte, r.IntN(200))}
				if receipt, err := m.Append(&e); err == nil {
					stored[p] = append(stored[p], sent{seq: receipt.ID.Seq, topic: e.Topic})
				}
				m.Announce()
			}
		})
	}
	publishers.Wait()
	close(done)
	others.Wait()
	for _, f := range all {
		for f.read(t, m) {
			continue
		}
		for _, e := range slices.Concat(stored...) {
			told := func(n notice) bool { return n.head >= e.seq && sel(n.name).Match(e.topic) }
			if chosen(f.selectors, e.topic) && !f.got[e.seq] && !slices.ContainsFunc(f.told, told) {
				t.Fatalf("%v lost %d of %s, told %v", f.selectors, e.seq, e.topic, f.told)
			}
		}
	}
}

// open lets a reader in, or back in where it was, unless what it chooses is not declared now.
func (f *follower) open(m *Memory, cursor string) {
	sub, o, err := m.Subscribe(f.selectors, Start{Cursor: cursor})
	if err != nil {
		return
	}
	f.sub, f.cursor = sub, o.Cursor.Seq
	f.tell(m, o.Lost)
}

func (f *follower) tell(m *Memory, lost []string) {
	for _, name := range lost {
		f.told = append(f.told, notice{name, m.Head().Seq})
	}
}

func (f *follower) read(t *testing.T, m *Memory) (more bool) {
	b := f.sub.Read(f.cursor, 4<<10, nil)
	f.tell(m, b.Lost)
	last := f.cursor
	for _, e := range b.Entries {
		if e.Seq <= last || f.got[e.Seq] || !chosen(f.selectors, e.Topic) {
			t.Errorf("%v got %d of %s after %d", f.selectors, e.Seq, e.Topic, last)
		}
		last, f.got[e.Seq] = e.Seq, true
	}
	if b.Cursor < last {
		t.Errorf("from %d to %d, with %d", f.cursor, b.Cursor, last)
	}
	f.cursor = b.Cursor
	return b.More
}
