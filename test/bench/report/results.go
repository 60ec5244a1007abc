package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"text/template"
	"time"
)

// Results is a whole run.
type Results struct {
	Series []Series
	// Rounds that each scenario was run at most, and how: the runner's flags.
	Rounds int
	How    string
	Date   time.Time
	// Commit of the sources, and Machine that it ran on.
	Commit  string
	Machine Machine
	// Load is the machine's load average when the run began: what else it had to do.
	Load string
}

// Machine says what a run was made on.
type Machine struct {
	CPU, Kernel, Go string
	Cores           int
}

// ThisMachine reads what the system says of itself; what it does not say is "unknown".
func ThisMachine() Machine {
	m := Machine{CPU: "unknown", Kernel: "unknown", Go: runtime.Version(), Cores: runtime.NumCPU()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = "Linux " + strings.TrimSpace(string(text))
	}
	return m
}

// LoadAverage of the last minute, as the system writes it.
func LoadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}

// Commit of a checkout, with a word if it has changes that are in none, but for the file that holds the results.
func Commit(ctx context.Context, dir, except string) string {
	out, err := exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	commit := strings.TrimSpace(string(out))
	changes, err := exec.CommandContext(ctx, "git", "-C", dir, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!"+except).Output()
	if err != nil || len(changes) > 0 {
		commit += ", with changes"
	}
	return commit
}

const document = `# Results

Written by ` + "`make bench`" + `. What each line means, and how it is measured: [README.md](README.md).

* Machine: {{.Machine.CPU}}, {{.Machine.Cores}} cores, {{.Machine.Kernel}}, {{.Machine.Go}}; load average before the run {{.Load}}.
* Date: {{.Date.UTC.Format "2006-01-02"}}. Commit: {{.Commit}}.
* How: ` + "`{{.How}}`" + `; {{.Rounds}} rounds, hub and reference in turn, medians.

{{table .Series}}
{{range .Series}}* {{.Scenario.Name}}: {{.Scenario.Title}}.
{{end}}
{{- range notes .Series}}* {{.}}
{{end}}
Figures of one machine: compare ratios, and hold differences below 15 % for none.
`

// Write writes the results as a document.
func (r Results) Write(path string) error {
	t, err := template.New("results").Funcs(template.FuncMap{"table": Table, "notes": Notes}).Parse(document)
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := t.Execute(&b, r); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}
