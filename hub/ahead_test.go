package hub_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/event"
)

// goroutinesIn counts the goroutines that run a function, by a part of its name.
func goroutinesIn(function string) (n int) {
	room := make([]byte, 16<<20)
	for _, stack := range strings.Split(string(room[:runtime.Stack(room, true)]), "\n\n") {
		if strings.Contains(stack, function) {
			n++
		}
	}
	return n
}

// allocationsIn counts what a function has allocated since MemProfileRate was set to 1.
func allocationsIn(function string) (objects int64) {
	runtime.GC() // the profile is of what was there two collections ago
	runtime.GC()
	records := make([]runtime.MemProfileRecord, 1<<16)
	n, _ := runtime.MemProfile(records, true)
	for _, r := range records[:n] {
		frames := runtime.CallersFrames(r.Stack())
		for more := true; more; {
			var f runtime.Frame
			if f, more = frames.Next(); strings.Contains(f.Function, function) {
				objects += r.AllocObjects
				break
			}
		}
	}
	return objects
}

// TestSubscribersWhoWaitForACopyCostTheLogNothing has many subscribers come to a hub that is behind: each is let in by its own event, and none
// of them makes the log copy who watches it, which would take time by the square of their number.
func TestSubscribersWhoWaitForACopyCostTheLogNothing(t *testing.T) {
	const waiting = 40
	rate := runtime.MemProfileRate
	runtime.MemProfileRate = 1
	defer func() { runtime.MemProfileRate = rate }()
	s := newStream(t, nil)
	old, next := s.ready(), s.ready()
	old.untilRole("following")
	next.way.silence(true) // the copy stands still
	var ids []string
	for range waiting {
		ids = append(ids, next.publish("orders", "x"))
	}
	before := allocationsIn("eventlog.(*Memory).Notify")
	got := make(chan *reader, waiting)
	for _, id := range ids {
		go func() { got <- old.read("topic=orders", "Last-Event-ID", id) }()
	}
	lasting, _ := event.ParseID(ids[waiting-1])
	lasting.Seq += 1000
	leaves, leave := context.WithCancel(context.Background())
	go func() {
		r, _ := http.NewRequestWithContext(leaves, http.MethodGet, old.url("topic=orders&last_event_id="+lasting.String()), nil)
		if resp, err := http.DefaultTransport.RoundTrip(r); err == nil {
			_ = resp.Body.Close()
		}
	}()
	waits := func(n int) {
		t.Helper()
		old.until(fmt.Sprintf("waited for by %d", n), func() bool { return goroutinesIn("hub.(*Hub).waitFor") == n })
	}
	waits(waiting + 1)
	leave()
	waits(waiting)
	next.way.silence(false)
	for range waiting {
		c := <-got
		c.expect("runnel-open", `"exact"`)
	}
	if n := allocationsIn("eventlog.(*Memory).Notify") - before; n >= waiting {
		t.Errorf("the log has made %d lists of who watches it for %d subscribers", n, waiting)
	}
}
