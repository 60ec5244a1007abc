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

	directories func() []string // besides those of the file
	news        func()
}

// New begins to watch. The file has the content last; whatever it becomes from now on is not missed.
func New(path string, last []byte) *Follower {
	f := &Follower{path: path, last: last, directories: func() []string { return nil }, news: func() {}}
	f.watch = NewWatch(func() []string { return append(f.around(), f.directories()...) })
	return f
}

// around are the directories of the file, and of what it is a link to.
func (f *Follower) around() []string {
	all := []string{filepath.Dir(f.path)}
	if target, err := filepath.EvalSymlinks(f.path); err == nil && filepath.Dir(target) != all[0] {
		all = append(all, filepath.Dir(target))
	}
	return all
}

// Also has Run call news whenever these directories, or the file, may have changed, after it has told of the file. They share a
// watch, since a node gives out few of them. It is called before Run.
func (f *Follower) Also(directories func() []string, news func()) {
	f.directories, f.news = directories, news
}

// Run calls changed with each new content until ctx is done, and lost when the file can no longer be read, once until it
// can be read again, which changed is told even if the content is the same. It calls watched as Watch.Run does. All calls come from
// one goroutine. It frees the follower.
func (f *Follower) Run(ctx context.Context, changed func([]byte), lost, watched func(error)) error {
	return f.watch.Run(ctx, func() {
		f.look(changed, lost)
		f.news()
	}, watched)
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
	back := f.lost // and whoever was told so has to be told this
	f.lost = false
	if bytes.Equal(text, f.last) && !back {
		return
	}
	f.last = text
	changed(text)
}
