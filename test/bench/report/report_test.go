package report_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/test/bench/report"
	"github.com/runnel-dev/runnel/test/bench/scenario"
)

func samples(seconds ...float64) (out []scenario.Sample) {
	for _, s := range seconds {
		out = append(out, scenario.Sample{CPU: time.Duration(s * float64(time.Second))})
	}
	return out
}

func seconds(s scenario.Sample) float64 { return s.CPU.Seconds() }

func series() []report.Series {
	row := func(title string, unit scenario.Unit, t *scenario.Target) scenario.Row {
		return scenario.Row{Title: title, Unit: unit, Value: seconds, Target: t}
	}
	alone := row("alone", scenario.Cores, &scenario.Target{Bound: 1})
	alone.Alone = true
	return []report.Series{
		{
			Scenario: scenario.Scenario{Name: "one", Rows: []scenario.Row{
				row("ratio", scenario.Milliseconds, &scenario.Target{Ratio: true, Bound: 1.15}),
				row("rate", scenario.PerSecond, &scenario.Target{Ratio: true, AtLeast: true, Bound: 2}),
				row("free", scenario.Seconds, nil),
				alone,
			}},
			Hub: samples(30, 1, 2, 3, 8), Reference: samples(10, 1, 4, 3, 4),
		},
		{
			Scenario: scenario.Scenario{Name: "two", Rows: []scenario.Row{row("value", scenario.PerSecond, &scenario.Target{AtLeast: true, Bound: 1_234_567})}},
			Hub:      samples(1_500_000, 1_200_000),
		},
		{Scenario: scenario.Scenario{Name: "four", Rows: []scenario.Row{row("value", scenario.Share, nil)}}, Failure: errors.New("one\ntwo")},
	}
}

// The medians of "one" are 3 and 4, and that of its ratios 3, 1, 0.5, 1 and 2 is 1.
const table = `| scenario | measured | hub | reference | ratio | target | met |
| --- | --- | ---: | ---: | ---: | --- | --- |
| one | ratio | 3.00 ms | 4.00 ms | 1.00 | at most 1.15 of the reference | yes |
| one | rate | 3/s | 4/s | 1.00 | at least 2.00 of the reference | **no** |
| one | free | 3.00 s | 4.00 s | 1.00 | – | – |
| one | alone | 3.0000 cores | – | – | at most 1.0000 cores | **no** |
| two | value | 1,350,000/s | – | – | at least 1,234,567/s | yes |
| four | value | – | – | – | – | **failed** |
`

func TestTheTableHoldsMediansAndTargets(t *testing.T) {
	if got := report.Table(series()); got != table {
		t.Errorf("got\n%s\nwant\n%s", got, table)
	}
}

func TestResultsSayHowTheyWereMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "RESULTS.md")
	r := report.Results{
		Series: series(), Rounds: 5, How: "bench -rounds 5", Date: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), Commit: "abc", Load: "0.10", Machine: report.ThisMachine(),
	}
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{table, "2026-01-31. Commit: abc", "`bench -rounds 5`; 5 rounds", "* four failed: one; two.", r.Machine.CPU, r.Machine.Go} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
