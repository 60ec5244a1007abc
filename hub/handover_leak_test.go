package hub_test

import (
	"os"
	"runtime"
	"testing"
	"time"
)

// TestHandoversLeaveNothingBehind counts goroutines and descriptors before and after hubs that hand over, back and on.
func TestHandoversLeaveNothingBehind(t *testing.T) {
	warm := newStream(t, nil) // what is started once
	warm.ready().end()
	before, open := runtime.NumGoroutine(), descriptors(t)
	func() {
		s := newStream(t, nil)
		old := s.ready()
		for range 3 {
			next := s.ready()
			old.publish("orders", "passed on")
			c := old.read("topic=orders")
			c.expect("runnel-open", "live")
			s.unlist(old.way.address())
			old.end()
			c.close()
			old.way.end()
			old = next
		}
		old.end()
		old.way.end()
	}()
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before || descriptors(t) > open; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			room := make([]byte, 1<<20)
			t.Fatalf("%d goroutines and %d descriptors, were %d and %d: %s", runtime.NumGoroutine(), descriptors(t), before, open, lastLines(t, string(room[:runtime.Stack(room, true)])))
		}
	}
}

// descriptors counts those of the process; 0 where they cannot be seen.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(all)
}
