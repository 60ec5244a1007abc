package follow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long directories must rest before they are read: editors write in several steps within a few milliseconds, and a
// person does not notice a tenth of a second.
const settle = 100 * time.Millisecond

// maxSettle is how long a directory that never rests may put that off.
const maxSettle = time.Second

// Watch tells when directories have news and have come to rest. One that is missing is noticed when it appears.
type Watch struct {
	directories func() []string
	watcher     *fsnotify.Watcher
	failure     string // the last that was told
}

// NewWatch begins to watch the directories that the function names. It is asked again whenever there is news. An error says that
// not even what exists of them can be watched.
func NewWatch(directories func() []string) (*Watch, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching files: %w", err)
	}
	w := &Watch{directories: directories, watcher: watcher}
	if _, err := w.arm(); err != nil {
		return nil, errors.Join(err, watcher.Close())
	}
	return w, nil
}

// Run calls news once at first, since there may have been some before the watch began, and then whenever there has been some, until
// ctx is done; then it frees the watch. It calls failed when something cannot be watched, once for each cause in a row.
func (w *Watch) Run(ctx context.Context, news func(), failed func(error)) error {
	rest := time.NewTimer(settle)
	defer rest.Stop()
	var unrest time.Time // since when there is news
	wait := func() {
		if unrest.IsZero() {
			unrest = time.Now()
		}
		rest.Reset(min(settle, time.Until(unrest.Add(maxSettle))))
	}
	for {
		select {
		case <-ctx.Done():
			return w.Close()
		case <-w.watcher.Events:
			wait()
		case err := <-w.watcher.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				failed(err)
			}
			wait() // events were dropped: look at the files themselves
		case <-rest.C:
			unrest = time.Time{}
			more, err := w.arm()
			w.tell(err, failed)
			news()
			if more {
				wait() // something may have appeared below it before it was watched
			}
		}
	}
}

// Close frees a watch that does not run.
func (w *Watch) Close() error { return w.watcher.Close() }

// arm watches every directory that is named, or what is above it and exists, and says whether any was not watched before. It comes
// before what is in them is read, so that nothing happens unseen in between.
func (w *Watch) arm() (more bool, err error) {
	var wanted []string
	before := w.watcher.WatchList()
	var failures []error
	for _, d := range w.directories() {
		existing, err := w.add(d)
		if err != nil {
			failures = append(failures, fmt.Errorf("watching %s: %w", d, err))
			continue
		}
		wanted = append(wanted, existing)
	}
	for _, d := range w.watcher.WatchList() {
		if !slices.Contains(wanted, d) {
			_ = w.watcher.Remove(d) // it may have gone by itself
		}
	}
	more = slices.ContainsFunc(w.watcher.WatchList(), func(d string) bool { return !slices.Contains(before, d) })
	return more, errors.Join(failures...)
}

// add watches a directory, or the nearest above it that exists.
func (w *Watch) add(directory string) (watched string, err error) {
	for d := filepath.Clean(directory); ; d = filepath.Dir(d) {
		err := w.watcher.Add(d)
		if !errors.Is(err, fs.ErrNotExist) || d == filepath.Dir(d) {
			return d, err
		}
	}
}

func (w *Watch) tell(err error, failed func(error)) {
	if err == nil {
		w.failure = ""
		return
	}
	if w.failure != err.Error() {
		w.failure = err.Error()
		failed(err)
	}
}
