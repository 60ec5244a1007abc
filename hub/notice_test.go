package hub

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// logged returns the lines of a notice that is written each second, while counts say what happens in each of them.
func logged(t *testing.T, n *notice, each []map[string]int) (lines []string) {
	t.Helper()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	now := time.Unix(1000, 0)
	for second, counts := range each {
		for reason, count := range counts {
			for range count {
				n.add(reason, func() []any { return []any{"second", second} })
			}
		}
		n.write(logger, now.Add(time.Duration(second)*time.Second))
	}
	return strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
}

func TestANoticeIsOneLineInTenSeconds(t *testing.T) {
	n := &notice{level: slog.LevelWarn, message: "it happened", about: "reasons"}
	each := make([]map[string]int, 40)
	each[1] = map[string]int{"a": 1000} // the first is said at once
	each[2] = map[string]int{"a": 7, "b": 2}
	each[5] = map[string]int{"a": 1}
	each[30] = map[string]int{"b": 1}
	want := []string{
		`level=WARN msg="it happened" count=1000 reasons.a=1000 second=1`,
		`level=WARN msg="it happened" count=10 reasons.a=8 reasons.b=2 second=2`,
		`level=WARN msg="it happened" count=1 reasons.b=1 second=30`,
	}
	if got := logged(t, n, each); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestANoticeIsAskedForItsDetailOnce(t *testing.T) {
	n, asked := &notice{message: "it happened"}, 0
	for range 1000 {
		n.add("", func() []any { asked++; return nil })
	}
	if asked != 1 {
		t.Errorf("%d times", asked)
	}
}
