package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/test/scale"
	"github.com/runnel-dev/runnel/test/scale/churn"
	"github.com/runnel-dev/runnel/test/scale/report"
)

func figures() scale.Figures {
	return scale.Figures{
		Sizes: []scale.Size{{Live: 5e6, RSS: 50e6}, {Streams: 1000, Live: 30e6}, {Streams: 5000, Live: 105e6, RSS: 250e6}},
		Churns: []scale.Churn{{
			Sent: churn.Sent{Counts: churn.Mix{churn.Create: 12, churn.Configure: 38}, Elapsed: 2 * time.Second}, Rate: 25, Cores: 2, Elapsed: 4 * time.Second,
			Queued: scale.Times{P99: 50 * time.Millisecond}, Applied: scale.Times{P99: 200 * time.Millisecond},
			Operator: 1 * time.Second, Sandbox: 2 * time.Second,
			Calls: scale.Calls{{Verb: "patch", Resource: "configmaps"}: 50, {Verb: "get", Resource: "services"}: 25},
		}},
		Cold:    scale.Quiet{Streams: 5000, Elapsed: 30 * time.Second},
		Settled: scale.Quiet{Elapsed: 30 * time.Second, Calls: scale.Calls{{Verb: "watch", Resource: "pods"}: 3}},
	}
}

func TestTargetsAreHeldToTheirBounds(t *testing.T) {
	f := figures()
	f.Sizes[2].Live = f.Sizes[0].Live + 5*20e6
	if missed := report.Missed(f); len(missed) > 0 {
		t.Errorf("missed %q", missed)
	}
	write := scale.Calls{{Verb: "patch", Resource: "eventstreams/status"}: 1}
	for what, change := range map[string]func(){
		"heap":                       func() { f.Sizes[2].Live += 1e6 },
		"queue":                      func() { f.Churns[0].Queued.P99 += time.Millisecond },
		"applied":                    func() { f.Churns[0].Applied.P99 += time.Millisecond },
		"settled for":                func() { f.Settled.Calls = write },
		"settled streams: writes":    func() { f.Cold.Calls = write },
		"5000 settled streams: 30.1": func() { f.Cold.Elapsed += 100 * time.Millisecond },
	} {
		f = figures()
		f.Sizes[2].Live = f.Sizes[0].Live + 5*20e6
		change()
		if missed := report.Missed(f); len(missed) != 1 || !strings.Contains(missed[0], what) {
			t.Errorf("%s: missed %q", what, missed)
		}
	}
}

func TestTheDocumentSaysWhatWasMissedAndWhatBounds(t *testing.T) {
	f := figures()
	f.Settled.Calls = scale.Calls{{Verb: "create", Resource: "events"}: 2}
	document := report.Run{Figures: f, How: "scale -rates 25", Date: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), Commit: "abc", Load: "0.10"}.Document()
	for _, want := range []string{
		"| heap for each 1,000 streams, at 5000 | 20.0 MB | at most 20 MB | yes |",
		"| 25 changes/s asked, 25 sent: in the queue, p99 | 50.0 ms | at most 50.0 ms | yes |",
		"| settled for 30 s: writes | 2 | 0 | **no** |",
		"| patch configmaps | 1 |\n", "| get services | 0.50 |\n",
		"12 creates, 0 deletes, 38 changes of the configuration, 0 changes of the pod template were sent",
		"2026-01-31. Commit: abc", "`scale -rates 25`", "within their targets at up to 25 changes/s.",
	} {
		if !strings.Contains(document, want) {
			t.Errorf("%q is not in\n%s", want, document)
		}
	}
	// Another rate at which the cores were taken, half of them by others.
	slow := f.Churns[0]
	slow.Rate, slow.Sandbox, slow.Elsewhere, slow.Queued.P99 = 50, 2*time.Second, 4*time.Second, time.Second
	f.Churns = append(f.Churns, slow)
	want := "up to 25 changes/s. Beyond that the machine's 2 cores have nothing left: at 50 changes/s the API server and what belongs to it took 0.50 of them, " +
		"the operator 0.25 and other programs 1.00. To carry out 50 changes a second takes 3.00 cores here, of which the operator takes 1.00."
	if document := (report.Run{Figures: f}).Document(); !strings.Contains(document, want) {
		t.Errorf("what bounds is not in\n%s", document)
	}
	slow.Elsewhere = 0
	f.Churns = []scale.Churn{slow}
	if document := (report.Run{Figures: f}).Document(); !strings.Contains(document, "At no rate were both times within their targets.\n") {
		t.Errorf("cores are blamed that were idle, in\n%s", document)
	}
}
