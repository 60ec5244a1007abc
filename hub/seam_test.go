package hub_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
)

// TestEveryReaderSeesAnOrderedViewOrIsTold has publishers write without pause while readers come, are cut off at random and
// resume. Whatever the timing, a reader that was never told of a gap has all events of its topics, each once and in order; one
// that was told may miss events only between where it was and where it was told that it is.
func TestEveryReaderSeesAnOrderedViewOrIsTold(t *testing.T) {
	s := start(t, func(c *config.Config) {
		c.Topics = []config.Topic{{Name: "deep", Events: 100_000, Age: config.Duration(time.Hour)}, {Name: "shallow.*", Events: 3, Age: config.Duration(time.Hour)}}
	})
	const publishers, each = 4, 300
	topics := []string{"deep", "shallow.a", "shallow.b"}
	var mu sync.Mutex
	published := map[uint64]string{} // topic by sequence
	var work, reading sync.WaitGroup
	stop := make(chan struct{})
	selections := [][]string{{"deep"}, {"shallow.*"}, {">"}, {"deep", "shallow.a"}}
	logs := make([]*journal, 2*len(selections))
	for i := range logs {
		logs[i] = &journal{selectors: selections[i%len(selections)]}
		reading.Go(func() { logs[i].follow(t, s, rand.New(rand.NewPCG(7, uint64(i))), stop) })
	}
	for p := range publishers {
		work.Go(func() {
			r := rand.New(rand.NewPCG(8, uint64(p)))
			for i := range each {
				topic := topics[r.IntN(len(topics))]
				id, ok := event.ParseID(s.publish(topic, fmt.Sprint(p, " ", i)))
				if !ok {
					t.Error("not an id")
				}
				mu.Lock()
				published[id.Seq] = topic
				mu.Unlock()
			}
		})
	}
	work.Wait()
	s.publish("deep", "end")
	s.publish("shallow.a", "end")
	published[uint64(publishers*each)+1], published[uint64(publishers*each)+2] = "deep", "shallow.a"
	close(stop)
	reading.Wait()
	for _, j := range logs {
		j.check(t, published)
	}
}

// journal is what one reader saw over all its connections.
type journal struct {
	selectors []string
	first     uint64
	seen      []uint64
	gaps      [][2]uint64
	cuts      int
}

func (j *journal) follow(t *testing.T, s *server, r *rand.Rand, stop <-chan struct{}) {
	pairs := []string{}
	for _, sel := range j.selectors {
		pairs = append(pairs, "topic", sel)
	}
	cursor := ""
	for {
		via := &http.Transport{DisableKeepAlives: true}
		c := open(t, via, s.url(q(pairs...)), "Last-Event-ID", cursor)
		for left := 1 + r.IntN(60); left > 0; left-- {
			e, ok := c.next()
			if !ok {
				t.Errorf("the stream ended by itself: %v", c.err)
				return
			}
			id, _ := event.ParseID(e.id)
			if e.typ == "runnel-open" && cursor == "" {
				j.first = id.Seq
			}
			if e.typ == "runnel-gap" {
				from, _ := event.ParseID(cursor)
				j.gaps = append(j.gaps, [2]uint64{from.Seq, id.Seq})
			}
			if e.id != "" {
				cursor = e.id
			}
			if !strings.HasPrefix(e.typ, "runnel-") {
				j.seen = append(j.seen, id.Seq)
			}
			if e.data == "end" {
				<-stop
				c.close()
				return
			}
		}
		c.close()
		j.cuts++
		if r.IntN(3) == 0 {
			runtime.Gosched()
		}
	}
}

func (j *journal) check(t *testing.T, published map[uint64]string) {
	t.Helper()
	if !slices.IsSorted(j.seen) || len(slices.Compact(slices.Clone(j.seen))) != len(j.seen) {
		t.Errorf("%v: not in order, or doubled: %v", j.selectors, j.seen)
	}
	last := j.seen[len(j.seen)-1]
	missing := 0
	for seq, topic := range published {
		chosen := slices.ContainsFunc(j.selectors, func(s string) bool {
			sel, err := event.ParseSelector(s)
			return err == nil && sel.Match(topic)
		})
		if !chosen || seq <= j.first || seq > last || slices.Contains(j.seen, seq) {
			continue
		}
		missing++
		// A gap names where the reader was and where it is; events lost of one topic may lie behind events that are there of
		// another, so the notice covers what comes before the next event of the lost topic too.
		told := slices.ContainsFunc(j.gaps, func(g [2]uint64) bool { return seq > g[0] })
		if topic == "deep" || !told {
			t.Errorf("%v: event %d of %s is missing and the reader was not told: %v", j.selectors, seq, topic, j.gaps)
		}
	}
	t.Logf("%v: %d events, %d cuts, %d missing, %d gaps", j.selectors, len(j.seen), j.cuts, missing, len(j.gaps))
}
