package fanout

import "testing"

func TestBeginsAnewWithItsLog(t *testing.T) { paths(t, testBeginsAnewWithItsLog) }

// A log that begins again has sequences that the shards have seen before.
func testBeginsAnewWithItsLog(t *testing.T, attached bool) {
	h := newHub(t, 10, calm)
	h.attached = attached
	before := newRecorder()
	h.read(before, "", "a")
	before.until(t, "open", contains(`"resume":"live"`))
	for range 5 {
		h.publish("a", "before")
	}
	before.until(t, "events", contains("-5\ndata: before\n\n"))
	h.pool.Drain(0)
	h.wg.Wait()
	h.pool.drained.Store(nil)
	h.log.Restart()
	h.pool.Restart()
	after := newRecorder()
	h.read(after, "", "a")
	after.until(t, "open", contains(h.log.Epoch()+"-0"))
	h.publish("a", "after")
	after.until(t, "an event", contains("id: "+h.log.Epoch()+"-1\ndata: after\n\n"))
}
