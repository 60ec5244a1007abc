package kubelet

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// mounts say which directory of this machine stands for a mount path of a container. There is no chroot: instead every
// mount path in the container's command, arguments and environment is replaced by its directory.
type mounts []mount

type mount struct{ path, host string }

// newMounts lists a container's mounts, the longest path first, so that a mount inside another one is found.
func newMounts(c *corev1.Container, volumeDir func(volume string) string) (mounts, error) {
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
		out = append(out, mount{at, filepath.Join(volumeDir(m.Name), m.SubPath)})
	}
	slices.SortStableFunc(out, func(a, b mount) int { return cmp.Compare(len(b.path), len(a.path)) })
	return out, nil
}

// path translates one path, if it is in a mount.
func (ms mounts) path(p string) (string, bool) {
	for _, m := range ms {
		if p == m.path {
			return m.host, true
		}
		if rest, ok := strings.CutPrefix(p, m.path+"/"); ok {
			return filepath.Join(m.host, rest), true
		}
	}
	return p, false
}

// rewrite replaces every mount path in s that stands as a path of its own or begins one: in `--dir=/data/x:/database`
// that of `/data/x`, not that of `/database`.
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
		if strings.HasPrefix(s[i:], ms[j].path) && (end == len(s) || s[end] == '/' || !inPath(s[end])) {
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
