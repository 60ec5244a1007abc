// Package volume writes the files of a ConfigMap, Secret, downward API or projected volume as a kubelet does: all of a
// volume changes at once, because a reader goes through one symbolic link that is swapped by a rename.
//
//	config.json -> ..data/config.json
//	..data -> ..2026_01_02_15_04_05.1234567890
//	..2026_01_02_15_04_05.1234567890/config.json
//
// A program that watches the directory sees `..data` created anew, exactly once for a change.
package volume

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The names of the link and of its successor, by which programs recognise a kubelet's volume.
const (
	dataLink = "..data"
	nextLink = "..data_tmp"
)

// File is a file's content and permission bits.
type File struct {
	Data []byte
	Mode fs.FileMode
}

// Write makes dir hold exactly the files, keyed by their slash-separated relative paths, and reports whether anything
// changed; equal files are left alone. dir is created if it is missing. A path that is empty, absolute or has an element
// that begins with `..` is an error, and nothing is written then. It is not to be called twice at once for one dir.
func Write(dir string, files map[string]File) (bool, error) {
	for name := range files {
		if err := check(name); err != nil {
			return false, err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, err
	}
	old, err := os.Readlink(filepath.Join(dir, dataLink))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if old != "" && equal(filepath.Join(dir, old), files) {
		return false, nil
	}
	stamped, err := os.MkdirTemp(dir, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return false, err
	}
	if err := fill(stamped, files); err != nil {
		return false, errors.Join(err, os.RemoveAll(stamped))
	}
	if err := swap(dir, filepath.Base(stamped), files); err != nil {
		return false, err
	}
	if old == "" {
		return true, nil
	}
	return true, os.RemoveAll(filepath.Join(dir, old))
}

func check(name string) error {
	if name == "" || path.IsAbs(name) {
		return fmt.Errorf("path %q of a volume's file: write a relative path", name)
	}
	if slices.ContainsFunc(strings.Split(name, "/"), func(e string) bool { return e == "" || e == "." || strings.HasPrefix(e, "..") }) {
		return fmt.Errorf("path %q of a volume's file: write it without empty elements, %q, and elements that begin with %q", name, ".", "..")
	}
	return nil
}

func fill(dir string, files map[string]File) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	for name, f := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(at, f.Data, f.Mode); err != nil {
			return err
		}
		if err := os.Chmod(at, f.Mode); err != nil { // whatever the umask is
			return err
		}
	}
	return nil
}

// swap points the data link at the new directory, adds the links that are new, and removes those that lead nowhere.
func swap(dir, stamped string, files map[string]File) error {
	next := filepath.Join(dir, nextLink)
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(stamped, next); err != nil {
		return err
	}
	if err := os.Rename(next, filepath.Join(dir, dataLink)); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for name := range files {
		first, _, _ := strings.Cut(name, "/")
		wanted[first] = true
	}
	for name := range wanted {
		err := os.Symlink(dataLink+"/"+name, filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range there {
		if !wanted[e.Name()] && !strings.HasPrefix(e.Name(), "..") {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func equal(dir string, files map[string]File) bool {
	n := 0
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		f, ok := files[filepath.ToSlash(rel)]
		info, err := e.Info()
		if !ok || err != nil || info.Mode().Perm() != f.Mode.Perm() {
			return fs.ErrInvalid
		}
		data, err := os.ReadFile(p)
		if err != nil || !bytes.Equal(data, f.Data) {
			return fs.ErrInvalid
		}
		n++
		return nil
	})
	return err == nil && n == len(files)
}
