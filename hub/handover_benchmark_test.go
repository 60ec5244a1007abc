package hub_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
)

// BenchmarkHandover has a hub take over a full history of 64 MiB, while somebody publishes, and prints how long that took and how long
// nobody could append.
func BenchmarkHandover(b *testing.B) {
	s := newStream(b, func(c *config.Config) {
		c.Topics = []config.Topic{{Name: "load.*", Events: 10_000, Age: config.Duration(time.Hour)}, {Name: "orders", Events: 10, Age: config.Duration(time.Hour)}}
		c.Retention.Bytes = 64<<20 + 400_000*160
	})
	old := s.ready()
	var lines strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&lines, `{"topic":"load.%d","data":"%0120d"}`+"\n", i%100, i)
	}
	for range 400 {
		do(b, "POST", "http://"+old.Addrs().Publish+"/v1/publish", lines.String(), "Content-Type", linesType)
	}
	var f front
	f.set(old)
	var over atomic.Bool
	var publishing sync.WaitGroup
	publishing.Go(func() {
		via := &http.Client{Transport: &http.Transport{}}
		defer via.CloseIdleConnections()
		for !over.Load() {
			p, answered := f.pick()
			status, body, err := postVia(via, "http://"+p.Addrs().Publish+"/v1/topics/orders", "", "news")
			if answered(); status != http.StatusOK {
				b.Errorf("%d %s %v", status, body, err)
				return
			}
		}
	})
	var took, paused time.Duration
	events := 0
	for b.Loop() {
		next := s.ready()
		h := next.Status().Handover
		if h.Result != "taken_over" {
			b.Fatalf("%+v", h)
		}
		t, _ := time.ParseDuration(h.Took)
		p, _ := time.ParseDuration(h.Paused)
		took, paused, events = took+t, paused+p, h.Events
		f.set(next)
		s.unlist(old.way.address())
		old.end()
		old = next
	}
	over.Store(true)
	publishing.Wait()
	b.ReportMetric(float64(events), "events")
	b.ReportMetric(took.Seconds()/float64(b.N), "s/transfer")
	b.ReportMetric(paused.Seconds()*1000/float64(b.N), "ms/paused")
}
