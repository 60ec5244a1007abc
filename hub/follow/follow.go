// Package follow tells when the content of a file has become another, however it is replaced.
package follow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a file must rest before it is read: editors write in several steps within a few milliseconds, and a
// person does not notice a tenth of a second.
const settle = 100 * time.Millisecond

// maxSettle is how long a directory that never rests may put that off.
const maxSettle = time.Second

// Follower tells when the content of a file has become another. It watches directories and not the file, since an editor
// that renames a new file over the old one takes the watched file away, and a mounted ConfigMap swaps a link.
type Follower struct {
	path    string
	watcher *fsnotify.Watcher
	last    []byte
	lost    bool
}

// New begins to watch. The file has the content last; whatever it becomes from now on is not missed.
func New(path string, last []byte) (*Follower, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", path, err)
	}
	directories := []string{filepath.Dir(path)}
	if target, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(target) != directories[0] {
		directories = append(directories, filepath.Dir(target))
	}
	for _, d := range directories {
		if err := w.Add(d); err != nil {
			return nil, errors.Join(fmt.Errorf("watching %s: %w", d, err), w.Close())
		}
	}
	return &Follower{path: path, watcher: w, last: last}, nil
}

// Run calls changed with each new content until ctx is done, and lost when the file can no longer be read, once until it
// can be read again, or be watched. It frees the follower.
func (f *Follower) Run(ctx context.Context, changed func([]byte), lost func(error)) error {
	rest := time.NewTimer(settle) // the file may have changed between its first reading and the watch
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
			return f.Close()
		case <-f.watcher.Events:
			wait()
		case err := <-f.watcher.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				lost(err)
			}
			wait() // events were dropped: look at the file itself
		case <-rest.C:
			unrest = time.Time{}
			f.look(changed, lost)
		}
	}
}

// Close frees a follower that does not run.
func (f *Follower) Close() error { return f.watcher.Close() }

func (f *Follower) look(changed func([]byte), lost func(error)) {
	text, err := os.ReadFile(f.path)
	if err != nil {
		if !f.lost {
			f.lost = true
			lost(err)
		}
		return
	}
	f.lost = false
	if bytes.Equal(text, f.last) {
		return
	}
	f.last = text
	changed(text)
}
