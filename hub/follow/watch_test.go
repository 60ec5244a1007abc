package follow

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watching watches directories until the test ends, and returns where news and failures arrive.
func watching(t *testing.T, directories ...string) (news <-chan struct{}, failures <-chan error) {
	t.Helper()
	return watchingBy(t, NewWatch(func() []string { return directories }))
}

func watchingBy(t *testing.T, w *Watch) (news <-chan struct{}, failures <-chan error) {
	t.Helper()
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

func TestSaysOnceWhatCannotBeWatchedAndWhenItCanAgain(t *testing.T) {
	root := t.TempDir()
	below := filepath.Join(root, "file", "below")
	news, failures := watching(t, root, below)
	write(t, filepath.Join(root, "file"), "in the way")
	if err := next(t, failures); err == nil || !strings.Contains(err.Error(), "below: not a directory") {
		t.Errorf("got %v", err)
	}
	next(t, news)
	write(t, filepath.Join(root, "other"), "x")
	next(t, news)
	if len(failures) > 0 {
		t.Errorf("said again: %v", <-failures)
	}
	if err := os.Remove(filepath.Join(root, "file")); err != nil {
		t.Fatal(err)
	}
	if err := next(t, failures); err != nil {
		t.Errorf("it is watched, and still: %v", err)
	}
}

// A node gives out 128 watchers to all who share a user, by default.
func TestLooksNowAndThenWhereNothingCanBeWatched(t *testing.T) {
	root := t.TempDir()
	var given atomic.Bool
	open := func() (*fsnotify.Watcher, error) {
		if !given.Load() {
			return nil, syscall.EMFILE
		}
		return fsnotify.NewWatcher()
	}
	news, failures := watchingBy(t, newWatch(func() []string { return []string{root} }, open, time.Millisecond))
	if err := next(t, failures); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("got %v", err)
	}
	for range 3 {
		next(t, news)
	}
	if len(failures) > 0 {
		t.Errorf("said again: %v", <-failures)
	}
	given.Store(true)
	if err := next(t, failures); err != nil {
		t.Errorf("it is watched, and still: %v", err)
	}
	for len(news) > 0 {
		<-news
	}
	write(t, filepath.Join(root, "file"), "x")
	next(t, news)
}
