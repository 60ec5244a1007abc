package fanout

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// owner says whether a reader may still read.
type owner func() bool

func (o owner) Granted() bool { return o() }
func (o owner) Left(Reason)   {}

func TestPermissionEnds(t *testing.T) { paths(t, testPermissionEnds) }

func testPermissionEnds(t *testing.T, attached bool) {
	h := newHub(t, 10, calm)
	h.attached = attached
	r := newRecorder()
	h.readAs(r, Reader{Until: time.Now().Add(3 * tick)}, Beginning{}, "a")
	r.until(t, "close", contains(`"reason":"token_expired","reconnect":true`))
	h.wg.Wait()
	if !slices.Equal(h.seen.ended, []Reason{ReasonTokenExpired}) {
		t.Errorf("ended %v", h.seen.ended)
	}
}

func TestReadersThatLostTheirGrantEnd(t *testing.T) { paths(t, testReadersThatLostTheirGrantEnd) }

func testReadersThatLostTheirGrantEnd(t *testing.T, attached bool) {
	h := newHub(t, 10, calm)
	h.attached = attached
	gone, stays := newRecorder(), newRecorder()
	var granted atomic.Bool
	granted.Store(true)
	h.readAs(gone, Reader{Owner: owner(granted.Load)}, Beginning{}, "a")
	h.readAs(stays, Reader{Owner: owner(func() bool { return true })}, Beginning{}, "a")
	gone.until(t, "open", contains("runnel-open"))
	stays.until(t, "open", contains("runnel-open"))
	granted.Store(false)
	h.pool.EndRemoved()
	gone.until(t, "close", contains(`"reason":"gone","reconnect":false`))
	late := newRecorder()
	h.readAs(late, Reader{Owner: owner(granted.Load)}, Beginning{}, "a")
	late.until(t, "close of one that came meanwhile", contains(`"reason":"gone","reconnect":false`))
	if contains("runnel-open")(late.String()) {
		t.Error("one that came meanwhile is sent what waits for it")
	}
	h.publish("a", "still here")
	stays.until(t, "event", contains("still here"))
}
