package conformance_test

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
)

// by joins what a spec holds and who reads in it, in the spec's text.
func by(reader, text string) string { return text + separator + reader }

const separator = " · "

// eachClient is the container of what is tried with all of them.
const eachClient = "Each client"

const (
	// wire is who reads where it is no client of others.
	wire        = "HTTP"
	remarkEntry = "remark"
	defectEntry = "defect"
)

// remark adds a sentence on the reader to the table.
func remark(text string) { AddReportEntry(remarkEntry, text, ReportEntryVisibilityNever) }

// defective says in the table what a client does in place of what the standard says; the spec holds that it does so.
func defective(text string) { AddReportEntry(defectEntry, text, ReportEntryVisibilityNever) }

var _ = ReportAfterSuite("table", func(report Report) {
	path := os.Getenv(envTable)
	if path == "" {
		return
	}
	if err := os.WriteFile(path, []byte(newTable(report).String()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "the table cannot be written:", err)
	}
})

// table is what is printed of a run, in Markdown.
type table struct {
	// groups are the texts of containers, and rows those of specs, in their order.
	groups []string
	rows   map[string][]string
	cells  map[[3]string]string // by group, row and column
	notes  []string
}

func newTable(report Report) *table {
	t := &table{rows: map[string][]string{}, cells: map[[3]string]string{}}
	// They ran in another order each time.
	specs := slices.SortedStableFunc(slices.Values(report.SpecReports), func(a, b types.SpecReport) int {
		at, other := a.LeafNodeLocation, b.LeafNodeLocation
		return cmp.Or(strings.Compare(at.FileName, other.FileName), cmp.Compare(at.LineNumber, other.LineNumber))
	})
	for _, spec := range specs {
		if spec.LeafNodeType != types.NodeTypeIt {
			continue
		}
		group := strings.Join(spec.ContainerHierarchyTexts, ", ")
		row, reader, ok := strings.Cut(spec.LeafNodeText, separator)
		if !ok {
			reader = wire
		}
		if !slices.Contains(t.groups, group) {
			t.groups = append(t.groups, group)
		}
		if !slices.Contains(t.rows[group], row) {
			t.rows[group] = append(t.rows[group], row)
		}
		t.cells[[3]string{group, row, reader}] = t.result(spec)
	}
	return t
}

func (t *table) result(spec types.SpecReport) string {
	mark := "yes"
	switch spec.State {
	case types.SpecStatePassed:
	case types.SpecStateSkipped:
		return "skipped: " + spec.Failure.Message
	default:
		mark = "**no**"
	}
	var numbers []string
	for _, entry := range spec.ReportEntries {
		if entry.Name == defectEntry {
			mark = "no"
		}
		if entry.Name == defectEntry || entry.Name == remarkEntry {
			numbers = append(numbers, fmt.Sprint(t.note(entry.StringRepresentation())))
		}
	}
	if len(numbers) > 0 {
		mark += " <sup>" + strings.Join(numbers, ",") + "</sup>"
	}
	return mark
}

// note returns the number of a note.
func (t *table) note(text string) int {
	i := slices.Index(t.notes, text)
	if i < 0 {
		t.notes = append(t.notes, text)
		i = len(t.notes) - 1
	}
	return i + 1
}

// String writes what all clients are tried with as one table, a row for each client, and all else as another.
func (t *table) String() string {
	var each, one strings.Builder
	headings, columns := []string{"Reader"}, [][2]string{}
	for _, group := range t.groups {
		for _, row := range t.rows[group] {
			if t.readers(group, row) > 1 {
				headings = append(headings, strings.TrimPrefix(group+" "+row, eachClient+" "))
				columns = append(columns, [2]string{group, row})
				continue
			}
			for key, result := range t.cells {
				if key[0] == group && key[1] == row {
					fmt.Fprintf(&one, "| %s %s | %s | %s |\n", group, row, key[2], result)
				}
			}
		}
	}
	fmt.Fprintf(&each, "| %s |\n|%s\n", strings.Join(headings, " | "), strings.Repeat("---|", len(headings)))
	for _, c := range clients {
		line := []string{c.name}
		for _, key := range columns {
			line = append(line, cmp.Or(t.cells[[3]string{key[0], key[1], c.name}], "–"))
		}
		fmt.Fprintf(&each, "| %s |\n", strings.Join(line, " | "))
	}
	each.WriteString("\n")
	for i, note := range t.notes {
		fmt.Fprintf(&each, "%d. %s\n", i+1, note)
	}
	return each.String() + "\n| Case | Reader | Holds |\n|---|---|---|\n" + one.String()
}

// readers counts the columns of a row.
func (t *table) readers(group, row string) (n int) {
	for key := range t.cells {
		if key[0] == group && key[1] == row {
			n++
		}
	}
	return n
}
