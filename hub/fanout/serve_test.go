package fanout

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

// TestAReaderThatIsServedIsNotToldOfWhatOthersLost has topics come and go in a log that has room for few, beside a reader of a topic
// without news. Its shard and its goroutine are run by hand.
func TestAReaderThatIsServedIsNotToldOfWhatOthersLost(t *testing.T) {
	h := newHub(t, 10, calm)
	h.log.Configure([]eventlog.Rule{{Selector: sels(t, ">")[0], Events: 10, Age: time.Hour}}, 20_000)
	sub, opening, err := h.log.Subscribe(sels(t, "quiet", "calm"), eventlog.Start{})
	if err != nil {
		t.Fatal(err)
	}
	s, to := newShard(h.pool, nil), newRecorder()
	begin := Beginning{Opening: opening}
	r := h.pool.newReader(Reader{Sub: sub}, begin)
	r.shard, r.wake = s, make(chan struct{}, 1)
	s.add(r)
	w := &Served{reader: r, sink: to}
	turn := func(begin *Beginning) {
		t.Helper()
		if reason := w.turn(begin); reason != "" {
			t.Fatal(reason)
		}
	}
	others := func(round int) {
		t.Helper()
		for i := range 100 {
			if _, err := h.log.Append(&event.Event{Topic: fmt.Sprint("others.", round, ".", i), Data: make([]byte, 200)}); err != nil {
				t.Fatal(err)
			}
			s.follow()
		}
	}
	turn(&begin)
	others(1)
	turn(nil) // for a heartbeat
	others(2)
	h.publish("quiet", "one")
	s.follow()
	others(3)
	h.publish("calm", "two")
	s.follow()
	turn(nil)
	if got := to.String(); strings.Count(got, "runnel-gap") != 1 || !strings.Contains(got, "data: two\n") {
		t.Errorf("one was lost before it was read, and nothing else was: %q", got)
	}
	others(4)
	h.publish("quiet", "three")
	s.follow()
	turn(nil)
	if got := to.String(); strings.Count(got, "runnel-gap") != 1 || !strings.HasSuffix(got, "data: three\n\n") {
		t.Errorf("%q", got)
	}
}
