package hub_test

import (
	"encoding/json"
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
// resume. Whatever the timing, a reader has all events of its topics, each once and in order, or was told of those that it misses:
// by a notice that names their topic, before any later event of that topic.
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
				id, ok := event.ParseID(s.publish(topic+"?type="+topic, fmt.Sprint(p, " ", i)))
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
	s.publish("deep?type=deep", "end")
	s.publish("shallow.a?type=shallow.a", "end")
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
	steps     []step // in the order of their coming
	cuts      int
}

// step is an event, or a notice of a gap.
type step struct {
	seq    uint64
	topic  string
	from   uint64   // the cursor before a gap
	topics []string // that a gap names
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
			from, _ := event.ParseID(cursor)
			switch {
			case e.typ == "runnel-open" && cursor == "":
				j.first = id.Seq
			case e.typ == "runnel-gap":
				var notice struct{ Topics []string }
				if err := json.Unmarshal([]byte(e.data), &notice); err != nil {
					t.Error(err)
				}
				j.steps = append(j.steps, step{seq: id.Seq, from: from.Seq, topics: notice.Topics})
			case !strings.HasPrefix(e.typ, "runnel-"):
				j.steps = append(j.steps, step{seq: id.Seq, topic: e.typ})
			}
			if e.id != "" {
				cursor = e.id
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
	var seen []uint64
	for _, st := range j.steps {
		if st.topic != "" {
			seen = append(seen, st.seq)
		}
	}
	for i := range seen {
		if i > 0 && seen[i] <= seen[i-1] {
			t.Errorf("%v: not in order, or doubled: %v", j.selectors, seen[max(0, i-10):min(len(seen), i+10)])
			break
		}
	}
	missing, untold := 0, 0
	for seq, topic := range published {
		if !chosenBy(j.selectors, topic) || seq <= j.first || seq > seen[len(seen)-1] || slices.Contains(seen, seq) {
			continue
		}
		missing++
		if topic == "deep" || !j.told(seq, topic) {
			if untold++; untold <= 3 {
				t.Errorf("%v: event %d of %s is missing and the reader was not told", j.selectors, seq, topic)
			}
		}
	}
	if untold > 3 {
		t.Errorf("%v: and %d more", j.selectors, untold-3)
	}
	t.Logf("%v: %d events, %d cuts, %d missing, %d gaps", j.selectors, len(seen), j.cuts, missing, len(j.steps)-len(seen))
}

// told says whether a gap that names the topic was told between the events of the topic before and after the one that is missing.
func (j *journal) told(missing uint64, topic string) (told bool) {
	for _, st := range j.steps {
		switch {
		case st.topic == topic && st.seq > missing:
			return told
		case st.topic == topic:
			told = false // what was told before is not about what comes later
		case st.topic == "" && st.from < missing && chosenBy(st.topics, topic):
			told = true
		}
	}
	return told
}

func chosenBy(selectors []string, topic string) bool {
	return slices.ContainsFunc(selectors, func(s string) bool {
		sel, err := event.ParseSelector(s)
		return err == nil && sel.Match(topic)
	})
}
