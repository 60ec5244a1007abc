package eventlog

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// TestNothingIsLostByHandOversAtTheSameTime holds that no event is lost and none is stored twice while a log is handed over again and
// again, and publishers and readers go on. The race detector looks on.
func TestNothingIsLostByHandOversAtTheSameTime(t *testing.T) {
	const publishers, handOvers, each = 3, 5, 4000
	all := rules(1_000_000, "a.*")
	first := NewMemory(all, 1<<30, time.Second)
	var leads atomic.Pointer[Memory]
	leads.Store(first)
	var publishing, feeding sync.WaitGroup
	stored := make([][]uint64, publishers)
	begin := make(chan struct{}, handOvers) // one
	for p := range publishers {
		publishing.Go(func() {
			if p == 0 {
				defer close(begin)
			}
			for i := range each {
				switch m := leads.Load(); {
				case p == 0 && i%(each/(handOvers+1)) == each/(handOvers+2):
					begin <- struct{}{}
				case i%100 == 0:
					_, _, _, _ = m.Epoch(), m.Head(), m.Usage(), m.Position()
					m.Expire()
				}
				e := event.Event{Topic: fmt.Sprint("a.", i%10), ID: fmt.Sprint(p, ".", i)}
				r, err := leads.Load().Append(&e)
				for errors.Is(err, ErrSealed) {
					r, err = leads.Load().Append(&e)
				}
				again, errAgain := leads.Load().Append(&e)
				for errors.Is(errAgain, ErrSealed) {
					again, errAgain = leads.Load().Append(&e)
				}
				if err != nil || r.Duplicate || errAgain != nil || !again.Duplicate || again.ID != r.ID {
					t.Errorf("%+v, %v, again %+v, %v", r, err, again, errAgain)
					return
				}
				stored[p] = append(stored[p], r.ID.Seq)
			}
		})
	}
	logs := []*Memory{first}
	for range handOvers {
		<-begin
		m, c := leads.Load(), NewMemory(nil, 1<<30, time.Second)
		leadsNext(t, m, c)
		leads.Store(c)
		logs = append(logs, c)
		feed, err := c.Feed(m.Position())
		if err != nil {
			t.Fatal(err)
		}
		feeding.Go(func() { // until that one is sealed and has no more
			for {
				sealed := c.Sealed()
				records, more := feed.Next(100, nil)
				if _, err := m.Replicate(records); err != nil {
					t.Error(err)
					return
				}
				if !more && sealed {
					return
				}
			}
		})
	}
	publishing.Wait()
	last := leads.Load()
	last.Seal()
	feeding.Wait()
	seqsOf := slices.Sorted(slices.Values(slices.Concat(stored...)))
	if n := len(slices.Compact(slices.Clone(seqsOf))); n != publishers*each {
		t.Errorf("%d sequences for %d events", n, publishers*each)
	}
	s, _ := subscribe(t, last, at(last, 0), "a.*")
	b := s.Read(0, 1<<30, nil)
	got := seqs(b)
	for ; b.More; got = append(got, seqs(b)...) {
		b = s.Read(b.Cursor, 1<<30, nil)
	}
	if !slices.Equal(got, seqsOf) || len(b.Lost) > 0 {
		t.Errorf("%d events of %d, lost %v", len(got), len(seqsOf), b.Lost)
	}
	if before := logs[len(logs)-2]; before.Head() != last.Head() {
		t.Errorf("the log before is at %v of %v", before.Head(), last.Head())
	}
}

// leadsNext fills a copy, and gives it the right to append.
func leadsNext(t *testing.T, m, c *Memory) {
	if err := c.Copy(m.Epoch()); err != nil {
		t.Fatal(err)
	}
	f, err := m.Feed(c.Position())
	if err != nil {
		t.Fatal(err)
	}
	feedAll(t, f, c)
	handOver(t, m, f, c)
}
