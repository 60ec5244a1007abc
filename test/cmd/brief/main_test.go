package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func briefly(t *testing.T, in string) (printed, whole string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "failed", "log")
	var out strings.Builder
	if err := run(path, strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.ReplaceAll(out.String(), path, "FILE"), string(text)
}

func TestWhatFitsIsPrintedAsItIsAndLeavesNoFile(t *testing.T) {
	for _, in := range []string{"", "ok  \tpackage\t0.1s\n", "--- FAIL: TestX\n    why\nFAIL\nFAIL\tpackage\t0.1s\n", strings.Repeat("?   \tpackage\t[no test files]\n", 100)} {
		if printed, whole := briefly(t, in); printed != in || whole != "" {
			t.Errorf("%q became %q, with a file of %q", in, printed, whole)
		}
	}
}

func TestEachFailureFitsOnAScreenAndResultsAreWhole(t *testing.T) {
	long := strings.Repeat("    line\n", 43_000)
	for _, head := range []string{
		"--- FAIL: TestX (0.00s)", "    --- FAIL: TestX/case (0.00s)", "panic: oh", "WARNING: DATA RACE", "------------------------------",
		"\x1b[38;5;9m------------------------------\x1b[0m", "  \x1b[38;5;9m<< Timeline\x1b[0m",
	} {
		in := head + "\n" + long + head + "\n" + long + "FAIL\tpackage\t0.1s\n" + "ok  \tother\t0.1s\n"
		printed, whole := briefly(t, in)
		failure := head + "\n" + strings.Repeat("    line\n", screenLines-1)
		want := fmt.Sprintf("%s… more from line %d of FILE\n%s… more from line %d of FILE\nFAIL\tpackage\t0.1s\nok  \tother\t0.1s\n",
			failure, screenLines+1, failure, 43_001+screenLines+1)
		if printed != want {
			t.Errorf("%s: printed %d lines:\n%.3000s", head, strings.Count(printed, "\n"), printed)
		}
		if whole != in {
			t.Errorf("%s: the file has %d of %d bytes", head, len(whole), len(in))
		}
	}
}

func TestALongLineIsCut(t *testing.T) {
	in := strings.Repeat("é", 1<<20) // without an end of line
	printed, whole := briefly(t, in)
	if want := strings.Repeat("é", screenColumns/2) + "… more in line 1 of FILE\n"; printed != want {
		t.Errorf("printed %.1000q", printed)
	}
	if whole != in {
		t.Errorf("the file has %d of %d bytes", len(whole), len(in))
	}
}
