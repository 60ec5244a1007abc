package fanout

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestReaderOptions(t *testing.T) { paths(t, testReaderOptions) }

func testReaderOptions(t *testing.T, attached bool) {
	h := newHub(t, 2, calm)
	h.attached = attached
	h.publish("b", "not for them")
	const ping = "event: runnel-ping\n"
	quiet, pings, padded, gathered := newRecorder(), newRecorder(), newRecorder(), newRecorder()
	h.readAs(quiet, Reader{Options: Options{Quiet: true, Heartbeat: tick}}, Beginning{}, "a")
	h.readAs(pings, Reader{Options: Options{Pings: true, Heartbeat: tick}}, Beginning{}, "a")
	h.readAs(padded, Reader{}, Beginning{Padding: true}, "a")
	h.readAs(gathered, Reader{Options: Options{Flush: 2 * tick}}, Beginning{}, "a")
	quiet.until(t, "heartbeat", contains(":\n:\n"))
	pings.until(t, "ping without a cursor that moved", contains(`"topics":["a"]}`+"\n\n"+ping+"data: {}\n\n"))
	h.publish("b", "moves the cursor alone")
	pings.until(t, "ping with the cursor", contains(ping+"id: "+h.log.Epoch()+"-2\ndata: {}\n\n"))
	padded.until(t, "open", contains("runnel-open"))
	if got := padded.String(); !strings.HasPrefix(got, ":"+strings.Repeat(" ", 2<<10)+"\nevent: runnel-open\n") {
		t.Errorf("padded: %q", got)
	}
	gathered.until(t, "open", contains("runnel-open"))
	h.publish("a", "one")
	h.publish("a", "two")
	gathered.until(t, "both", contains("data: two"))
	quiet.until(t, "both", contains("data: two"))
	if got := strings.TrimLeft(quiet.String(), ":\n"); !strings.HasPrefix(got, "id: "+h.log.Epoch()+"-3\ndata: one\n\n") {
		t.Errorf("quiet: %q", got)
	}
}

func TestFailOnGapEndsInPlaceOfAnOverflow(t *testing.T) {
	h := newHub(t, 2, calm)
	r := newRecorder()
	h.readAs(r, Reader{Options: Options{FailOnGap: true}}, Beginning{}, "a")
	r.until(t, "open", contains("runnel-open"))
	r.hold.Lock()
	for i := range 10 {
		h.publish("a", fmt.Sprint(i))
	}
	r.hold.Unlock()
	h.wg.Wait()
	if got := r.String(); strings.Contains(got, "runnel-gap") || !strings.Contains(got, "slow_consumer") {
		t.Errorf("%q", got)
	}
}

func TestAQuietStreamHasNoBlockWithoutDataAfterAnOverflow(t *testing.T) {
	h := newHub(t, 2, calm)
	r := newRecorder()
	h.readAs(r, Reader{Options: Options{Quiet: true}}, Beginning{}, "a")
	r.until(t, "beginning", contains(":\n"))
	r.hold.Lock()
	for i := range 10 {
		h.publish("a", fmt.Sprint(i))
	}
	r.hold.Unlock()
	r.until(t, "last event", contains("data: 9\n\n"))
	blocks := strings.SplitAfter(r.String(), "\n\n")
	for _, block := range blocks[:len(blocks)-1] {
		if !strings.Contains(block, "\ndata: ") {
			t.Errorf("%q in %q", block, r.String())
		}
	}
	h.seen.mu.Lock()
	defer h.seen.mu.Unlock()
	if len(h.seen.gaps) == 0 {
		t.Error("no overflow was counted")
	}
}

func TestAReloadChangesHowShortAHeartbeatMayBe(t *testing.T) {
	settings := calm
	settings.HeartbeatMinimum = time.Hour
	h := newHub(t, 2, settings)
	r := newRecorder()
	h.readAs(r, Reader{Options: Options{Heartbeat: tick}}, Beginning{}, "a")
	r.until(t, "open", contains(`"heartbeatMs":3600000,`))
	settings.HeartbeatMinimum = tick
	h.pool.Configure(settings)
	r.until(t, "heartbeat", contains("\n\n:\n"))
}
