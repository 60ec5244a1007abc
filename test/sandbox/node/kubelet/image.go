package kubelet

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Image stands for a container image: a directory of this machine instead of layers.
type Image struct {
	Root       string            // `/hub` in a command is the file `hub` of this directory; absolute
	Entrypoint []string          // used when the container has no command
	Args       []string          // used when the container has neither command nor args
	Env        map[string]string // set before the container's own
}

// image finds the image by its exact reference, then without digest, then without tag.
func (k *Kubelet) image(reference string) (Image, error) {
	name, _, _ := strings.Cut(reference, "@")
	bare := name
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		bare = name[:i]
	}
	for _, n := range []string{reference, name, bare} {
		if i, ok := k.Images[n]; ok {
			return i, nil
		}
	}
	return Image{}, fmt.Errorf("failed to resolve reference %q: the sandbox has the images %s: use one of them, or add it to the sandbox's table",
		reference, strings.Join(k.imageNames(), ", "))
}

// executable finds the program of a command: in the image's root if its path is absolute or has a slash, and by PATH
// of this machine otherwise, where a real image would have a shell and its like.
func (i Image) executable(command string, mounts mounts) (string, error) {
	if !strings.Contains(command, "/") {
		return findInPath(i.Root, command)
	}
	at := filepath.Join(i.Root, command)
	if host, mounted := mounts.path(command); mounted {
		at = host
	}
	return at, runnable(at, command)
}

func findInPath(root, command string) (string, error) {
	dirs := append([]string{root, filepath.Join(root, "bin")}, filepath.SplitList(hostPath)...)
	for _, d := range dirs {
		if at := filepath.Join(d, command); runnable(at, command) == nil {
			return at, nil
		}
	}
	return "", fmt.Errorf("exec: %q: executable file not found in the image's directory %s or in %s", command, root, hostPath)
}

func runnable(at, command string) error {
	info, err := os.Stat(at)
	switch {
	case err != nil:
		return fmt.Errorf("exec: %q: is to be the file %s: %w", command, at, err)
	case info.IsDir() || info.Mode()&0o111 == 0:
		return fmt.Errorf("exec: %q: %s cannot be executed: %w", command, at, fs.ErrPermission)
	}
	return nil
}
