package follow

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// watching watches directories until the test ends, and returns where news and failures arrive.
func watching(t *testing.T, directories ...string) (news <-chan struct{}, failures <-chan error) {
	t.Helper()
	w, err := NewWatch(func() []string { return directories })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	told, failed, done := make(chan struct{}, 64), make(chan error, 64), make(chan error)
	go func() {
		done <- w.Run(ctx, func() { told <- struct{}{} }, func(err error) { failed <- err })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	next(t, told) // the first, of before the watch
	return told, failed
}

func mkdir(t *testing.T, path ...string) string {
	t.Helper()
	d := filepath.Join(path...)
	if err := os.Mkdir(d, 0o700); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNoticesADirectoryThatAppearsLater(t *testing.T) {
	root := t.TempDir()
	wanted := filepath.Join(root, "a", "b")
	news, _ := watching(t, wanted)
	mkdir(t, root, "a")
	next(t, news)
	mkdir(t, wanted)
	next(t, news)
	write(t, filepath.Join(wanted, "file"), "x")
	next(t, news)
}

func TestNoticesADirectoryThatIsReplaced(t *testing.T) {
	root := t.TempDir()
	wanted := mkdir(t, root, "a")
	news, _ := watching(t, wanted, root)
	if err := os.Rename(wanted, filepath.Join(root, "old")); err != nil {
		t.Fatal(err)
	}
	next(t, news)
	mkdir(t, wanted)
	next(t, news)
	write(t, filepath.Join(wanted, "file"), "x")
	next(t, news)
}

func TestSaysOnceWhatCannotBeWatched(t *testing.T) {
	root := t.TempDir()
	news, failures := watching(t, root, filepath.Join(root, "file", "below"))
	write(t, filepath.Join(root, "file"), "in the way")
	if err := next(t, failures); !strings.Contains(err.Error(), "below: not a directory") {
		t.Errorf("got %v", err)
	}
	next(t, news)
	write(t, filepath.Join(root, "other"), "x")
	next(t, news)
	if len(failures) > 0 {
		t.Errorf("said again: %v", <-failures)
	}
}
