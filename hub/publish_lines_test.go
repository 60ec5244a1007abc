package hub_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestBatchesShareNothing holds that what is stored outlives the request that it came by, whatever memory the next request is read into.
func TestBatchesShareNothing(t *testing.T) {
	s := start(t, nil)
	c := s.read(q("topic", "orders"))
	c.expect("runnel-open", "live")
	const batches, lines = 10, 5
	data := func(batch, line int) string { // by turns as it is, with an escape, with whitespace, and with line ends of another kind
		return []string{`"%d-%d"`, `"\"%d-%d\""`, `[ %d, %d ]`, `"\r%d\r%d"`}[line%4]
	}
	want := func(batch, line int) string {
		return fmt.Sprintf([]string{"%d-%d", `"%d-%d"`, "[%d,%d]", "\r%d\r%d"}[line%4], batch, line)
	}
	for batch := range batches {
		var body strings.Builder
		for line := range lines {
			fmt.Fprintf(&body, `{"topic":"orders","type":"t%d","id":"%d-%d","key":"k%d","data":`+data(batch, line)+"}\n", batch, batch, line, batch, batch, line)
		}
		if resp, answer := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/publish", body.String(), "Content-Type", linesType); resp.StatusCode != 200 || strings.Contains(answer, "error") {
			t.Fatalf("%d %s", resp.StatusCode, answer)
		}
	}
	for batch := range batches {
		for line := range lines {
			c.expect(fmt.Sprintf("t%d", batch), strings.ReplaceAll(want(batch, line), "\r", "\n"))
		}
	}
	_, next := readLines(t, s, q("topic", "orders", "last_event_id", "earliest", "control", "off"))
	for batch := range batches {
		for line := range lines {
			if got := next(); got["type"] != fmt.Sprintf("t%d", batch) || got["data"] != want(batch, line) {
				t.Fatalf("batch %d, line %d: %v, want %q", batch, line, got, want(batch, line))
			}
		}
	}
}
