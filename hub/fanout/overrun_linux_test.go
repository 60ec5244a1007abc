package fanout

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

func TestFailOnGapHoldsFromTheBeginning(t *testing.T) { paths(t, testFailOnGapHoldsFromTheBeginning) }

func testFailOnGapHoldsFromTheBeginning(t *testing.T, attached bool) {
	h := newHub(t, 2, calm)
	h.attached = attached
	sub, opening, err := h.log.Subscribe(sels(t, "a"), eventlog.Start{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		h.publish("a", fmt.Sprint("event ", i))
	}
	r := newRecorder()
	h.serve(r, Reader{Sub: sub, Options: Options{FailOnGap: true}}, Beginning{Opening: opening})
	r.until(t, "end", contains(`"reason":"slow_consumer"`))
	if got := r.String(); strings.Contains(got, "data: event") {
		t.Errorf("events after a gap: %q", got)
	}
}

func TestASocketThatNeverCatchesUpIsClosed(t *testing.T) {
	h := newHub(t, 50, calm)
	client := h.attach(Beginning{Chunked: true}, Reader{}, "", "a")
	overflows, ended := 0, false
	readChunks(t, client, func(chunk []byte) {
		overflows += strings.Count(string(chunk), `"reason":"overflow"`)
		ended = ended || strings.Contains(string(chunk), `"reason":"slow_consumer"`)
		if overflows > 100 && !ended {
			t.Fatalf("%d overflows", overflows)
		}
		for i := range 60 {
			h.publish("a", fmt.Sprint(i, strings.Repeat("x", 4<<10)))
		}
	})
	h.wg.Wait()
	if !ended || !slices.Equal(h.seen.ended, []Reason{ReasonSlow}) {
		t.Errorf("ended %v after %d overflows", h.seen.ended, overflows)
	}
}

func TestASweepHasFewTexts(t *testing.T) {
	h := newHub(t, 100, calm)
	for i := range 20 {
		h.publish(fmt.Sprint("t", i), "event")
	}
	entries, _, _ := h.log.Since(0, newsLimit, nil)
	s := newShard(h.pool, nil)
	s.sweep.choose(entries)
	for mask := uint64(1); mask <= 10*sharedTexts; mask++ {
		if got, want := s.joined(entries, mask) != nil, mask <= sharedTexts; got != want {
			t.Fatalf("choice %d has a text: %v", mask, got)
		}
	}
	if s.bring(nil, 20); len(s.sweep.spare) > spareTexts {
		t.Errorf("%d texts are kept", len(s.sweep.spare))
	}
}

func TestWhatIsLeftOfAnEventIsNoCopy(t *testing.T) {
	h := newHub(t, 100, calm)
	h.publish("a", "one")
	h.publish("a", "two")
	entries, _, _ := h.log.Since(0, newsLimit, nil)
	body := &text{}
	body.reset(true)
	for _, e := range entries {
		body.event(e, event.Format{}, "")
	}
	first := entries[0].Frame.Chunk()
	rest, stand, events := body.cut(5)
	if &rest[0] != &first[5] || len(rest) != len(first)-5 || cap(rest) != len(rest) || stand.cursor != 1 || events != 1 {
		t.Errorf("%q, %+v, %d events", rest, stand, events)
	}
}
