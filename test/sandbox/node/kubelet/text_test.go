package kubelet

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
)

func TestExpand(t *testing.T) {
	e := &environment{}
	e.set("A", "1")
	e.set("EMPTY", "")
	for in, want := range map[string]string{
		"$(A)": "1", "x$(A)y$(A)": "x1y1", "$$(A)": "$(A)", "$(B)": "$(B)", "$A": "$A", "$": "$", "$(A": "$(A", "$(EMPTY)": "", "$$$(A)": "$1",
	} {
		NewWithT(t).Expect(e.expand(in)).To(Equal(want), in)
	}
}

func TestMountPathsAreReplacedAsPaths(t *testing.T) {
	g := NewWithT(t)
	ms, err := newMounts(&corev1.Container{Name: "c", VolumeMounts: []corev1.VolumeMount{
		{Name: "a", MountPath: "/etc/app"}, {Name: "b", MountPath: "/etc/app/inner/"}, {Name: "c", MountPath: "/tmp", SubPath: "s"},
		{Name: "d", MountPath: "/run/app/secrets/d"},
	}}, func(v string) string { return "/pod/" + v }, "/tree")
	g.Expect(err).NotTo(HaveOccurred())
	for in, want := range map[string]string{
		"/etc/app":                    "/pod/a",
		"--config=/etc/app/c.json":    "--config=/pod/a/c.json",
		"/etc/app/inner/x:/etc/app/y": "/pod/b/x:/pod/a/y",
		"/etc/application":            "/etc/application",
		"/my/etc/app":                 "/my/etc/app",
		"dir/etc/app":                 "dir/etc/app",
		"/tmp/x,/tmp":                 "/pod/c/s/x,/pod/c/s",
		"nothing":                     "nothing",
		"--secrets=/run/app/secrets":  "--secrets=/tree/run/app/secrets",
		"--all=/run/app,/run":         "--all=/tree/run/app,/run",
		"/run/app/secrets/d/e":        "/pod/d/e",
		"/run/app/other":              "/run/app/other",
	} {
		g.Expect(ms.rewrite(in)).To(Equal(want), in)
	}
	_, err = newMounts(&corev1.Container{VolumeMounts: []corev1.VolumeMount{{MountPath: "/"}}}, nil, "")
	g.Expect(err).To(MatchError(ContainSubstring("write an absolute path other than /")))
	_, err = newMounts(&corev1.Container{VolumeMounts: []corev1.VolumeMount{{MountPath: "/a", SubPath: "../b"}}}, nil, "")
	g.Expect(err).To(MatchError(ContainSubstring("subPath")))
}

func TestImagesAreFoundByExactNameThenWithoutTag(t *testing.T) {
	g := NewWithT(t)
	k := &Kubelet{Options: Options{Images: map[string]Image{"r:5000/app": {Root: "any"}, "r:5000/app:2": {Root: "two"}, "plain": {Root: "plain"}}}}
	for in, want := range map[string]string{"r:5000/app:1": "any", "r:5000/app:2": "two", "r:5000/app": "any", "r:5000/app:2@sha256:00": "two", "plain:x": "plain"} {
		i, err := k.image(in)
		g.Expect(err).NotTo(HaveOccurred(), in)
		g.Expect(i.Root).To(Equal(want), in)
	}
	_, err := k.image("other")
	g.Expect(err).To(MatchError(ContainSubstring("plain, r:5000/app, r:5000/app:2")))
}

func TestTail(t *testing.T) {
	at := filepath.Join(t.TempDir(), "log")
	for _, c := range []struct {
		text  string
		lines int64
		want  string
	}{
		{"a\nb\nc\n", 2, "b\nc\n"}, {"a\nb\nc", 1, "c"}, {"a\n", 5, "a\n"}, {"a\nb\n", 0, ""}, {"", 3, ""}, {"\n\n", 1, "\n"},
	} {
		g := NewWithT(t)
		g.Expect(os.WriteFile(at, []byte(c.text), 0o600)).To(Succeed())
		f, err := os.Open(at)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(seekTail(f, c.lines)).To(Succeed())
		got, err := io.ReadAll(f)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(f.Close()).To(Succeed())
		g.Expect(string(got)).To(Equal(c.want), "%+v", c)
	}
}
