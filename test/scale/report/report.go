// Package report holds what a run gave against its targets, and writes it as a document in Markdown.
package report

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/runnel-dev/runnel/test/bench/report"
	"github.com/runnel-dev/runnel/test/scale"
	"github.com/runnel-dev/runnel/test/scale/churn"
)

// Targets of the operator.
const (
	// heapPerThousand is of bytes, for each 1,000 streams.
	heapPerThousand = 20e6
	queued          = 50 * time.Millisecond
	applied         = 200 * time.Millisecond
	coldStart       = 30 * time.Second
	// coldStreams is the number of streams that a cold start is allowed that time for.
	coldStreams = 5000
)

// Line is one row of the table.
type Line struct {
	Measured, Value, Target string
	// Met says whether the target is reached; it means nothing without one.
	Met bool
}

// Lines are the figures that matter. Figures of times are left out of what was not run.
func Lines(f scale.Figures) (lines []Line) {
	add := func(met bool, measured, target, format string, args ...any) {
		lines = append(lines, Line{Measured: measured, Value: fmt.Sprintf(format, args...), Target: target, Met: met})
	}
	first, last := f.Sizes[0], f.Sizes[len(f.Sizes)-1]
	heap := perThousand(first.Live, last.Live, first, last)
	add(heap <= heapPerThousand, fmt.Sprintf("heap for each 1,000 streams, at %d", last.Streams), fmt.Sprintf("at most %.0f MB", heapPerThousand/1e6), "%.1f MB", heap/1e6)
	add(true, "resident memory for each 1,000 streams", "", "%.1f MB", perThousand(first.RSS, last.RSS, first, last)/1e6)
	for _, c := range f.Churns {
		at := fmt.Sprintf("%.0f changes/s asked, %.0f sent", c.Rate, float64(c.Counts.Total())/c.Sent.Elapsed.Seconds())
		add(c.Queued.P99 <= queued, at+": in the queue, p99", words(queued), "%s", ms(c.Queued.P99))
		add(c.Applied.P99 <= applied, at+": spec → children applied, p99", words(applied), "%s", ms(c.Applied.P99))
		add(true, at+": spec → children applied, median", "", "%s", ms(c.Applied.P50))
		add(true, at+": spec → ready, median and p99", "", "%s, %s", ms(c.Ready.P50), ms(c.Ready.P99))
		add(true, at+": API server's answer to the load, median and p99", "", "%s, %s", ms(c.Answers.Quantile(0.5)), ms(c.Answers.Quantile(0.99)))
		add(true, at+": reconciliations", "", "%.0f/s, of which %.0f failed in all", c.Reconciles/c.Elapsed.Seconds(), c.Errors)
		add(true, at+": CPU of operator and of all else", "", "%.2f and %.2f cores", c.Operator.Seconds()/c.Elapsed.Seconds(), c.Sandbox.Seconds()/c.Elapsed.Seconds())
		add(true, at+": CPU for a change, of operator and of all else", "", "%s and %s", ms(each(c.Operator, c)), ms(each(c.Sandbox, c)))
		add(true, at+fmt.Sprintf(": cores that this takes at %.0f changes/s", c.Rate), "", "%.2f", each(c.Operator+c.Sandbox, c).Seconds()*c.Rate)
		add(true, at+": CPU of other programs on this machine", "", "%.2f cores", c.Elsewhere.Seconds()/c.Elapsed.Seconds())
		add(true, at+": heap at most, live and in use", "", "%.1f MB, %.1f MB", c.Peak.Live/1e6, c.Peak.InUse/1e6)
	}
	start := fmt.Sprintf("cold start of %d settled streams", f.Cold.Streams)
	add(f.Cold.Calls.Writes() == 0, start+": writes", "0", "%d", f.Cold.Calls.Writes())
	add(f.Cold.Elapsed <= coldStart, start, fmt.Sprintf("at most %.0f s for %d", coldStart.Seconds(), coldStreams), "%.1f s", f.Cold.Elapsed.Seconds())
	add(f.Settled.Calls.Writes() == 0, fmt.Sprintf("settled for %.0f s: writes", f.Settled.Elapsed.Seconds()), "0", "%d", f.Settled.Calls.Writes())
	return lines
}

// perThousand is what 1,000 streams more take.
func perThousand(before, after float64, first, last scale.Size) float64 {
	return (after - before) / float64(last.Streams-first.Streams) * 1000
}

func each(d time.Duration, c scale.Churn) time.Duration {
	return d / time.Duration(max(c.Counts.Total(), 1))
}

func words(d time.Duration) string { return "at most " + ms(d) }

func ms(d time.Duration) string {
	if d >= 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// Missed names the targets that were not reached.
func Missed(f scale.Figures) (out []string) {
	for _, l := range Lines(f) {
		if l.Target != "" && !l.Met {
			out = append(out, fmt.Sprintf("%s: %s, %s", l.Measured, l.Value, l.Target))
		}
	}
	return out
}

// Run says how figures came about.
type Run struct {
	Figures scale.Figures
	// How is the command, Date when it was begun, Load what else the machine had to do then.
	How, Load, Commit string
	Date              time.Time
	Machine           report.Machine
}

// Document is the run in Markdown.
func (r Run) Document() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Results\n\nWritten by `make scale`. What each line means, and how it is measured: [README.md](README.md).\n")
	line("* Machine: %s, %d cores, %s, %s; load average before the run %s.", r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Machine.Go, r.Load)
	line("* Date: %s. Commit: %s.\n* How: `%s`.\n", r.Date.UTC().Format(time.DateOnly), r.Commit, r.How)
	line("| measured | figure | target | met |\n| --- | ---: | --- | --- |")
	for _, l := range Lines(r.Figures) {
		target, met := "–", "–"
		if l.Target != "" {
			if target, met = l.Target, "yes"; !l.Met {
				met = "**no**"
			}
		}
		line("| %s | %s | %s | %s |", l.Measured, l.Value, target, met)
	}
	line("\n## Memory\n\n| settled streams | heap, live | heap, in use | resident | ready after |\n| ---: | ---: | ---: | ---: | ---: |")
	for _, s := range r.Figures.Sizes {
		line("| %d | %.1f MB | %.1f MB | %.1f MB | %.1f s |", s.Streams, s.Live/1e6, s.InUse/1e6, s.RSS/1e6, s.Grew.Seconds())
	}
	for _, c := range r.Figures.Churns {
		line("\n## Calls to the API server at %.0f changes/s\n", c.Rate)
		line("%s were sent; %d were left out because no stream was ready for them.\n", sent(c.Counts), c.Skipped)
		line("| call of the operator | for each change |\n| --- | ---: |")
		calls(line, c.Calls, float64(c.Counts.Total()))
		line("\n| call of the load, the cluster's controllers and the node | for each change |\n| --- | ---: |")
		calls(line, c.Others, float64(c.Counts.Total()))
	}
	line("\n## Calls to the API server at a cold start\n\n| call | number |\n| --- | ---: |")
	calls(line, r.Figures.Cold.Calls, 1)
	line("\n%s\n", bound(r.Figures))
	return b.String()
}

func sent(m churn.Mix) string {
	parts := []string{}
	for kind, n := range m {
		parts = append(parts, fmt.Sprintf("%d %s", n, churn.Kind(kind)))
	}
	return strings.Join(parts, ", ")
}

func calls(line func(string, ...any), c scale.Calls, by float64) {
	for _, kind := range slices.SortedFunc(maps.Keys(c), func(a, b scale.Kind) int { return strings.Compare(a.Resource+a.Verb, b.Resource+b.Verb) }) {
		line("| %s %s | %s |", kind.Verb, kind.Resource, strings.TrimSuffix(fmt.Sprintf("%.2f", float64(c[kind])/by), ".00"))
	}
}

// bound says what kept the changes from being faster, and how fast they were without it.
func bound(f scale.Figures) string {
	const busy = 0.85
	met, text := 0.0, ""
	for _, c := range f.Churns {
		if c.Queued.P99 <= queued && c.Applied.P99 <= applied {
			met = max(met, c.Rate)
			continue
		}
		cores, took := float64(c.Cores), func(d time.Duration) float64 { return d.Seconds() / c.Elapsed.Seconds() }
		if took(c.Operator+c.Sandbox+c.Elsewhere) > busy*cores && text == "" {
			text = fmt.Sprintf(" Beyond that the machine's %.0f cores have nothing left: at %.0f changes/s the API server and what belongs to it took %.2f of them, "+
				"the operator %.2f and other programs %.2f. To carry out %.0f changes a second takes %.2f cores here, of which the operator takes %.2f.",
				cores, c.Rate, took(c.Sandbox), took(c.Operator), took(c.Elsewhere), c.Rate, each(c.Operator+c.Sandbox, c).Seconds()*c.Rate, each(c.Operator, c).Seconds()*c.Rate)
		}
	}
	if met == 0 {
		return "At no rate were both times within their targets." + text
	}
	return fmt.Sprintf("Both times were within their targets at up to %.0f changes/s.", met) + text
}

// Write writes the document.
func (r Run) Write(path string) error { return os.WriteFile(path, []byte(r.Document()), 0o644) }
