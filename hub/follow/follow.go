// Package follow tells when files have changed, however they are replaced.
package follow

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
)

// Follower tells when the content of a file has become another. It watches directories and not the file, since an editor
// that renames a new file over the old one takes the watched file away, and a mounted ConfigMap swaps a link.
type Follower struct {
	path  string
	watch *Watch
	last  []byte
	lost  bool
}

// New begins to watch. The file has the content last; whatever it becomes from now on is not missed.
func New(path string, last []byte) (*Follower, error) {
	watch, err := NewWatch(func() []string {
		directories := []string{filepath.Dir(path)}
		if target, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(target) != directories[0] {
			directories = append(directories, filepath.Dir(target))
		}
		return directories
	})
	if err != nil {
		return nil, err
	}
	return &Follower{path: path, watch: watch, last: last}, nil
}

// Run calls changed with each new content until ctx is done, and lost when the file can no longer be read, once until it
// can be read again, or be watched. It frees the follower.
func (f *Follower) Run(ctx context.Context, changed func([]byte), lost func(error)) error {
	return f.watch.Run(ctx, func() { f.look(changed, lost) }, lost)
}

// Close frees a follower that does not run.
func (f *Follower) Close() error { return f.watch.Close() }

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
