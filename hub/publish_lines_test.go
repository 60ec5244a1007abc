package hub_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/config"
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

// TestLinesWithoutTextAreNone holds that they get no answer, are not numbered, and cost their publisher nothing.
func TestLinesWithoutTextAreNone(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Limits.EventsPerSecondPerPublisher = 2 })
	send := func(lines ...string) (*http.Response, string) {
		return do(t, "POST", "http://"+s.Addrs().Publish+"/v1/publish", strings.Join(lines, "\n"), "Content-Type", linesType)
	}
	for _, nothing := range []string{"", "\n", "\r\n\r\n", " \t \n\n", strings.Repeat("\n", 2000)} {
		if resp, body := send(nothing); resp.StatusCode != 200 || body != "" {
			t.Errorf("%.20q: %d %q", nothing, resp.StatusCode, body)
		}
	}
	resp, body := send("", `{"topic":"orders","data":"one"}`+"\r", "\r", " ", `{"topic":"orders","data":"two"}`, "\r", "\r", "")
	answers := strings.SplitAfter(body, "\n")
	if resp.StatusCode != 200 || len(answers) != 3 || !strings.HasPrefix(answers[0], `{"index":0,"id":`) || !strings.HasPrefix(answers[1], `{"index":1,"id":`) || answers[2] != "" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	if got := s.Status().Seq; got != 2 {
		t.Errorf("%d events are stored, want 2", got)
	}
}

func TestABatchWarnsOfWhatFiresEventSourcesOwnHandlers(t *testing.T) {
	s := start(t, nil)
	for _, c := range []struct {
		lines []string
		want  []string // parts of each header
	}{
		{[]string{`{"topic":"orders","type":"tick","data":1}`}, nil},
		{[]string{`{"topic":"nowhere","type":"error","data":1}`}, nil},
		{[]string{`{"topic":"orders","type":"error","data":1}`, `{"topic":"orders","type":"error","data":2}`}, []string{"onerror"}},
		{[]string{`{"topic":"orders","type":"open","data":1}`, `{"topic":"orders","data":1}`, `{"topic":"orders","type":"err\u006fr","data":1}`}, []string{"onopen", "onerror"}},
	} {
		resp, body := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/publish", strings.Join(c.lines, "\n"), "Content-Type", linesType)
		got := resp.Header.Values("Warning")
		if len(got) != len(c.want) {
			t.Errorf("%q: %q, %s", c.lines, got, body)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("%q: %q, want %s", c.lines, got[i], want)
			}
		}
	}
}

func TestRefusedLinesAreCountedAndSaidToBe(t *testing.T) {
	s := start(t, nil)
	do(t, "POST", "http://"+s.Addrs().Publish+"/v1/publish", strings.Repeat(`{"topic":"nowhere","data":1}`+"\n", 3), "Content-Type", linesType)
	got := metrics(t, s)
	for _, want := range []string{
		"# HELP runnel_hub_publish_refused_total Publish requests and single lines of batches refused, by HTTP status and problem code.\n",
		`runnel_hub_publish_refused_total{code="topic_not_declared",status="404"} 3` + "\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
