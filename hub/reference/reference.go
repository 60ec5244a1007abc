// Package reference reads what a hub's configuration refers to: entries of Secrets and ConfigMaps that its pod mounts.
package reference

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/runnel-dev/runnel/hub/config"
)

// maxBytes of an entry: a Secret or ConfigMap holds no more in all.
const maxBytes = 1 << 20

// Dir is a directory with a file secrets/<name>/<key> or configmaps/<name>/<key> for each entry. The zero Dir has none.
type Dir struct {
	path string
	also func(config.Reference) []byte
}

// In returns the Dir at a path, which need not exist.
func In(path string) Dir { return Dir{path: path} }

// Or returns a Dir that asks also for the entries that are not in the directory. It returns nil for an entry that it does not have.
func (d Dir) Or(also func(config.Reference) []byte) Dir {
	d.also = also
	return d
}

// Read returns what a reference names. An error is fs.ErrNotExist when it is not there, or is empty as a Secret that somebody has
// yet to fill; it holds nothing of the content.
func (d Dir) Read(r config.Reference) ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	content, err := d.read(r)
	if errors.Is(err, fs.ErrNotExist) && d.also != nil {
		if other := d.also(r); other != nil {
			content, err = other, nil
		}
	}
	switch {
	case err != nil:
		return nil, err
	case len(content) > maxBytes:
		return nil, fmt.Errorf("it is larger than %d bytes", maxBytes)
	case len(bytes.TrimSpace(content)) == 0:
		return nil, fmt.Errorf("it is empty: %w", fs.ErrNotExist)
	}
	return content, nil
}

// read reads an entry of the directory.
func (d Dir) read(r config.Reference) ([]byte, error) {
	if d.path == "" {
		return nil, fmt.Errorf("%v: %w", r, fs.ErrNotExist)
	}
	path := filepath.Join(d.of(r.Kind), r.Name, r.Key)
	info, err := os.Stat(path)
	if err != nil {
		return nil, cause(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file") // opening a pipe would wait for its other end
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	content, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, cause(err)
	}
	return content, nil
}

// cause takes the path off an error, since the reference is what a person knows.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// of is where entries of a kind are.
func (d Dir) of(kind string) string {
	if kind == config.KindSecret {
		return filepath.Join(d.path, "secrets")
	}
	return filepath.Join(d.path, "configmaps")
}

// Directories are those in which an entry may change, whichever exist now: its file is edited there, its mount swapped, or its
// directory appears. Files are not followed to where a link of another shape than a mount's points.
func (d Dir) Directories() []string {
	if d.path == "" {
		return nil
	}
	all := []string{d.path}
	for _, kind := range []string{config.KindSecret, config.KindConfigMap} {
		all = append(all, d.of(kind))
		entries, err := os.ReadDir(d.of(kind))
		if err != nil {
			continue // the one above is watched
		}
		for _, e := range entries {
			path := filepath.Join(d.of(kind), e.Name())
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				all = append(all, path)
			}
		}
	}
	return all
}
