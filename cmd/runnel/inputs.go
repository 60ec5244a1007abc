package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// standardInput is the name of standard input on a command line.
const standardInput = "-"

// manifestExtensions are those of the files that are read of a directory, as kubectl does.
var manifestExtensions = []string{".json", ".yaml", ".yml"}

// input is a manifest with its name for messages.
type input struct {
	name string
	text []byte
}

// readInputs reads what the names stand for, each once and in order: files, directories, patterns and standard input. It returns what it
// could read also when it fails; the error tells of all the rest.
func readInputs(names []string, recursive bool, stdin io.Reader) ([]input, error) {
	var all []input
	var failed []error
	seen := map[string]bool{}
	for _, name := range names {
		paths, err := resolve(name, recursive)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for _, path := range paths {
			if seen[path] {
				continue
			}
			seen[path] = true
			i, err := readInput(path, stdin)
			if err != nil {
				failed = append(failed, err)
				continue
			}
			all = append(all, i)
		}
	}
	return all, errors.Join(failed...)
}

func readInput(path string, stdin io.Reader) (input, error) {
	if path == standardInput {
		text, err := io.ReadAll(stdin)
		if err != nil {
			return input{}, fmt.Errorf("standard input cannot be read: %w", err)
		}
		return input{"standard input", text}, nil
	}
	text, err := os.ReadFile(path)
	return input{path, text}, err
}

// resolve returns the files that a name stands for; standard input stays as it is. A file whose name looks like a pattern is that file.
func resolve(name string, recursive bool) ([]string, error) {
	if name == standardInput {
		return []string{name}, nil
	}
	if strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
		return nil, fmt.Errorf("%s is a URL, which is not fetched here: write curl %s | runnel validate -f -", name, name)
	}
	matches := []string{name}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(name, "*?[") {
		if matches, err = filepath.Glob(name); err != nil {
			return nil, fmt.Errorf("%q is no pattern: %w", name, err)
		}
		if len(matches) == 0 {
			return nil, fmt.Errorf("no file matches %q: write a pattern such as 'streams/*.yaml'", name)
		}
	}
	var all []string
	for _, path := range matches {
		files, err := filesAt(path, recursive)
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	return all, nil
}

// filesAt returns a file as it is, and the manifests of a directory; those below it only when it is recursive. A link to a directory below
// it is not followed, since it may lead back.
func filesAt(path string, recursive bool) ([]string, error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return []string{path}, nil // reading it tells what is wrong
	}
	var all []string
	err := fs.WalkDir(os.DirFS(path), ".", func(file string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && file != "." && !recursive:
			return fs.SkipDir
		case !e.IsDir() && slices.Contains(manifestExtensions, filepath.Ext(file)):
			all = append(all, filepath.Join(path, file))
		}
		return nil
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("directory %s holds no file that ends in %s: name another one, or read what is below it with -R",
			path, strings.Join(manifestExtensions, ", "))
	}
	return all, err
}
