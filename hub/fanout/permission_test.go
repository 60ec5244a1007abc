package fanout

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func TestPermissionEnds(t *testing.T) {
	h := newHub(t, 10, calm)
	r := newRecorder()
	h.readAs(r, Reader{Until: time.Now().Add(3 * tick)}, "a")
	r.until(t, "close", contains(`"reason":"token_expired","reconnect":true`))
	h.wg.Wait()
	if !slices.Equal(h.seen.ended, []Reason{ReasonTokenExpired}) {
		t.Errorf("ended %v", h.seen.ended)
	}
}

func TestReadersThatLostTheirGrantEnd(t *testing.T) {
	h := newHub(t, 10, calm)
	gone, stays := newRecorder(), newRecorder()
	var granted atomic.Bool
	granted.Store(true)
	h.readAs(gone, Reader{Granted: granted.Load}, "a")
	h.readAs(stays, Reader{Granted: func() bool { return true }}, "a")
	gone.until(t, "open", contains("runnel-open"))
	stays.until(t, "open", contains("runnel-open"))
	granted.Store(false)
	h.pool.EndRemoved()
	gone.until(t, "close", contains(`"reason":"gone","reconnect":false`))
	late := newRecorder()
	h.readAs(late, Reader{Granted: granted.Load}, "a")
	late.until(t, "close of one that came meanwhile", contains(`"reason":"gone","reconnect":false`))
	if contains("runnel-open")(late.String()) {
		t.Error("one that came meanwhile is sent what waits for it")
	}
	h.publish("a", "still here")
	stays.until(t, "event", contains("still here"))
}
