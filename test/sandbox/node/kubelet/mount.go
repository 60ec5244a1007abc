package kubelet

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// mounts say which directory of this machine stands for a mount path of a container. There is no chroot: instead every
// mount path in the container's command, arguments and environment is replaced by its directory.
type mounts []mount

type mount struct {
	path, host string
	// above: nothing is mounted here, but below. Programs are told of such a directory too, and look for the mounts in it.
	above bool
}

// newMounts lists a container's mounts and the directories above them, the longest path first, so that a mount inside another one
// is found. The directories above are those of tree, which link makes.
func newMounts(c *corev1.Container, volumeDir func(volume string) string, tree string) (mounts, error) {
	var out mounts
	for _, m := range c.VolumeMounts {
		at := path.Clean(m.MountPath)
		if at == "/" || !path.IsAbs(at) {
			return nil, fmt.Errorf("mount path %q of container %s: write an absolute path other than /", m.MountPath, c.Name)
		}
		if m.SubPathExpr != "" {
			return nil, fmt.Errorf("subPathExpr of volume mount %q of container %s: the sandbox does not have it: write subPath", m.Name, c.Name)
		}
		if slices.Contains(strings.Split(m.SubPath, "/"), "..") {
			return nil, fmt.Errorf("subPath %q of volume mount %q of container %s: write it without %q", m.SubPath, m.Name, c.Name, "..")
		}
		out = append(out, mount{path: at, host: filepath.Join(volumeDir(m.Name), m.SubPath)})
	}
	out = append(out, out.above(tree)...)
	slices.SortStableFunc(out, func(a, b mount) int { return cmp.Compare(len(b.path), len(a.path)) })
	return out, nil
}

// above lists the directories above mounts. Those at the top, such as /etc and /tmp, are left out: in an image they hold more than
// what is mounted, and what a program means by them is this machine's.
func (ms mounts) above(tree string) (out mounts) {
	seen := map[string]bool{}
	for _, m := range ms {
		for dir := path.Dir(m.path); path.Dir(dir) != "/" && dir != "/"; dir = path.Dir(dir) {
			if _, mounted := ms.path(dir); !mounted && !seen[dir] {
				seen[dir] = true
				out = append(out, mount{path: dir, host: filepath.Join(tree, dir), above: true})
			}
		}
	}
	return out
}

// link makes the directories above mounts, in which each mount is a link to its volume.
func (ms mounts) link() error {
	for _, dir := range ms {
		if !dir.above {
			continue
		}
		if err := os.MkdirAll(dir.host, 0o755); err != nil {
			return err
		}
		for _, m := range ms {
			if m.above || path.Dir(m.path) != dir.path {
				continue
			}
			err := os.Symlink(m.host, filepath.Join(dir.host, path.Base(m.path)))
			if err != nil && !errors.Is(err, fs.ErrExist) { // by the run before
				return err
			}
		}
	}
	return nil
}

// path translates one path, if it is in a mount.
func (ms mounts) path(p string) (string, bool) {
	for _, m := range ms {
		if p == m.path {
			return m.host, true
		}
		if rest, ok := strings.CutPrefix(p, m.path+"/"); ok && !m.above {
			return filepath.Join(m.host, rest), true
		}
	}
	return p, false
}

// rewrite replaces every mount path in s that stands as a path of its own or begins one: in `--dir=/data/x:/database`
// that of `/data/x`, not that of `/database`. A directory above mounts is replaced only where it is the whole path.
func (ms mounts) rewrite(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		m := ms.at(s, i)
		if m == nil {
			out.WriteByte(s[i])
			i++
			continue
		}
		out.WriteString(m.host)
		i += len(m.path)
	}
	return out.String()
}

func (ms mounts) at(s string, i int) *mount {
	if s[i] != '/' || (i > 0 && inPath(s[i-1])) {
		return nil
	}
	for j := range ms {
		end := i + len(ms[j].path)
		if strings.HasPrefix(s[i:], ms[j].path) && (end == len(s) || s[end] == '/' && !ms[j].above || !inPath(s[end])) {
			return &ms[j]
		}
	}
	return nil
}

// inPath says that a byte beside a path makes it another path.
func inPath(b byte) bool {
	return b == '/' || b == '-' || b == '_' || b == '.' || b == '~' ||
		'0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b >= 0x80
}

func (ms mounts) rewriteAll(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = ms.rewrite(s)
	}
	return out
}
