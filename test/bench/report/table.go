// Package report writes what scenarios gave as a table in Markdown.
package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/runnel-dev/runnel/test/bench/scenario"
)

// Series is all rounds of a scenario.
type Series struct {
	Scenario scenario.Scenario
	// Hub and Reference are the rounds' samples, in their order; of a scenario without a reference, the latter is empty.
	Hub, Reference []scenario.Sample
	// Failure is what went wrong; its figures are then none.
	Failure error
}

// Line is a row of the table.
type Line struct {
	Scenario, Measured, Hub, Reference, Ratio, Target, Met string
}

// Words for whether a target is reached.
const (
	yes     = "yes"
	no      = "**no**"
	nothing = "–"
	failed  = "**failed**"
)

// Lines are the rows of a scenario. A figure is the median of the rounds, and so is the ratio, which is made in each round: it may
// differ a little from the two figures' own.
func (s Series) Lines() (out []Line) {
	for _, r := range s.Scenario.Rows {
		l := Line{Scenario: s.Scenario.Name, Measured: r.Title, Hub: nothing, Reference: nothing, Ratio: nothing, Target: target(r), Met: nothing}
		if s.Failure != nil {
			l.Met = failed
		} else {
			s.fill(&l, r)
		}
		out = append(out, l)
	}
	return out
}

func (s Series) fill(l *Line, r scenario.Row) {
	hub := values(s.Hub, r)
	l.Hub = r.Unit.Format(median(hub))
	reached := median(hub)
	if len(s.Reference) == len(s.Hub) && !r.Alone {
		reference := values(s.Reference, r)
		ratios := make([]float64, len(hub))
		for i := range hub {
			ratios[i] = hub[i] / reference[i]
		}
		l.Reference, l.Ratio = r.Unit.Format(median(reference)), fmt.Sprintf("%.2f", median(ratios))
		if r.Target != nil && r.Target.Ratio {
			reached = median(ratios)
		}
	}
	if r.Target == nil {
		return
	}
	l.Met = no
	if r.Target.Met(reached) {
		l.Met = yes
	}
}

func values(samples []scenario.Sample, r scenario.Row) (out []float64) {
	for _, s := range samples {
		out = append(out, r.Value(s))
	}
	return out
}

func median(v []float64) float64 {
	sorted := slices.Sorted(slices.Values(v))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

func target(r scenario.Row) string {
	t := r.Target
	if t == nil {
		return nothing
	}
	words := "at most "
	if t.AtLeast {
		words = "at least "
	}
	if t.Ratio {
		return fmt.Sprintf("%s%.2f of the reference", words, t.Bound)
	}
	return words + r.Unit.Format(t.Bound)
}

// Table is the table of all series.
func Table(all []Series) string {
	var b strings.Builder
	row := func(cells ...string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	row("scenario", "measured", "hub", "reference", "ratio", "target", "met")
	row("---", "---", "---:", "---:", "---:", "---", "---")
	for _, s := range all {
		for _, l := range s.Lines() {
			row(l.Scenario, l.Measured, l.Hub, l.Reference, l.Ratio, l.Target, l.Met)
		}
	}
	return b.String()
}

// Notes say what the table does not: why a scenario failed.
func Notes(all []Series) (out []string) {
	for _, s := range all {
		if s.Failure != nil {
			out = append(out, fmt.Sprintf("%s failed: %s.", s.Scenario.Name, strings.ReplaceAll(s.Failure.Error(), "\n", "; ")))
		}
	}
	return out
}
