package e2e_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// shownFaults is the number of faults of a kind that are printed in full.
const shownFaults = 5

// faults gathers what must not happen, with the time and with what was being done then.
type faults struct {
	mu     sync.Mutex
	phase  string
	counts map[string]int
	told   []string
}

// during says what is being done from now on.
func (f *faults) during(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.phase = time.Now().Format("15:04:05.000 ") + fmt.Sprintf(format, args...)
}

func (f *faults) add(what, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts == nil {
		f.counts = map[string]int{}
	}
	if f.counts[what]++; f.counts[what] <= shownFaults {
		f.told = append(f.told, fmt.Sprintf("%s %s: %s (since %s)", time.Now().Format("15:04:05.000"), what, fmt.Sprintf(format, args...), f.phase))
	}
}

// all are the kinds of faults with their counts, and the first of each kind; empty if there is none.
func (f *faults) all() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.counts) == 0 {
		return ""
	}
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(f.counts)) {
		lines = append(lines, fmt.Sprintf("%d times: %s", f.counts[what], what))
	}
	return strings.Join(append(lines, f.told...), "\n")
}
