package suite

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestALongMessageGoesToAFile(t *testing.T) {
	d := t.TempDir()
	files.path = d
	for name, message := range map[string]string{
		"many lines":      strings.Repeat("line\n", 43_000),
		"one long line":   strings.Repeat("é", 1_000_000),
		"a line too many": strings.Repeat("\n", screenLines),
	} {
		t.Run(name, func(t *testing.T) {
			short := shortened(message)
			if lines := strings.Count(short, "\n") + 1; lines > screenLines+1 || len(short) > screenBytes+1000 {
				t.Fatalf("%d lines, %d bytes", lines, len(short))
			}
			path := regexp.MustCompile(regexp.QuoteMeta(d) + `\S+`).FindString(short)
			if whole, err := os.ReadFile(path); err != nil || string(whole) != message {
				t.Fatalf("%d of %d bytes in %q: %v", len(whole), len(message), path, err)
			}
		})
	}
}

func TestAShortMessageIsPrintedWhole(t *testing.T) {
	for _, message := range []string{"", "one line", strings.Repeat("line\n", screenLines-1) + "end", strings.Repeat("x", screenBytes)} {
		if got := shortened(message); got != message {
			t.Errorf("%d bytes became %d", len(message), len(got))
		}
	}
}

func TestTheLogIsKeptUntilItIsRemoved(t *testing.T) {
	path := t.TempDir() + "/suite"
	files.path = path
	for i := range 3 {
		if _, err := fmt.Fprintln(Log(), "line", i); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(path + "/" + logName); err != nil || string(text) != "line 0\nline 1\nline 2\n" {
		t.Fatalf("%q, %v", text, err)
	}
	files.remove()
	if _, err := fmt.Fprintln(Log(), "a program that ends later"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Fatal(err)
	}
}
