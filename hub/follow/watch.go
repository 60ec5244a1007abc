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

// settle is how long directories must rest before they are read: editors and scripts write a file in several steps, and half a file may
// be a valid one with fewer topics. A person hardly notices a fifth of a second.
const settle = 200 * time.Millisecond

// maxSettle is how long a directory that never rests may put that off.
const maxSettle = time.Second

// PollInterval is how often directories are looked at that cannot be watched: within the minute or two that a kubelet takes anyhow,
// and seldom enough that reading a few small files costs nothing.
const PollInterval = 10 * time.Second

// Watch tells when directories have news and have come to rest. One that is missing is noticed when it appears. Where the system
// cannot watch, there may be news every PollInterval: a node gives out few watches, and others may have taken them all.
type Watch struct {
	directories func() []string
	open        func() (*fsnotify.Watcher, error) // nil with an error
	poll        time.Duration
	watcher     *fsnotify.Watcher // nil until there is one to be had
	failure     string            // the last that was told
}

// NewWatch begins to watch the directories that the function names. It is asked again whenever there is news.
func NewWatch(directories func() []string) *Watch {
	return newWatch(directories, fsnotify.NewWatcher, PollInterval)
}

func newWatch(directories func() []string, open func() (*fsnotify.Watcher, error), poll time.Duration) *Watch {
	w := &Watch{directories: directories, open: open, poll: poll}
	_, _ = w.arm() // Run tries again, and tells
	return w
}

// Run calls news once at first, since there may have been some before the watch began, and then whenever there has been some, until
// ctx is done; then it frees the watch. It calls watched when something cannot be watched, once for each cause in a row, and with
// nil when all is watched again.
func (w *Watch) Run(ctx context.Context, news func(), watched func(error)) error {
	rest := newRest()
	defer rest.Stop()
	for {
		var events <-chan fsnotify.Event
		var failures <-chan error
		if w.watcher != nil {
			events, failures = w.watcher.Events, w.watcher.Errors
		}
		select {
		case <-ctx.Done():
			return w.Close()
		case <-events:
			rest.disturb()
		case err := <-failures:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.tell(err, watched)
			}
			rest.disturb() // events were dropped: look at the files themselves
		case <-rest.C:
			rest.taken()
			more, err := w.arm()
			w.tell(err, watched)
			news()
			switch {
			case more:
				rest.disturb() // something may have appeared below it before it was watched
			case err != nil:
				rest.Reset(w.poll)
			}
		}
	}
}

// rest is a timer that fires when there has been no news for a while.
type rest struct {
	*time.Timer
	unrest time.Time // since when there is news; zero is none
}

func newRest() *rest { return &rest{Timer: time.NewTimer(settle)} }

// disturb puts the timer off since there is news.
func (r *rest) disturb() {
	if r.unrest.IsZero() {
		r.unrest = time.Now()
	}
	r.Reset(min(settle, time.Until(r.unrest.Add(maxSettle))))
}

// taken ends the unrest since the news is read.
func (r *rest) taken() { r.unrest = time.Time{} }

// Close frees a watch that does not run.
func (w *Watch) Close() error {
	if w.watcher == nil {
		return nil
	}
	return w.watcher.Close()
}

// arm watches every directory that is named, or what is above it and exists, and says whether any was not watched before. It comes
// before what is in them is read, so that nothing happens unseen in between.
func (w *Watch) arm() (more bool, err error) {
	if w.watcher == nil {
		if w.watcher, err = w.open(); err != nil {
			return false, fmt.Errorf("watching files: %w", err)
		}
	}
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

func (w *Watch) tell(err error, watched func(error)) {
	failure := ""
	if err != nil {
		failure = err.Error()
	}
	if w.failure != failure {
		w.failure = failure
		watched(err)
	}
}
