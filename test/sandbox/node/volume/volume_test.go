package volume_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/sandbox/node/volume"
)

func file(s string) volume.File { return volume.File{Data: []byte(s), Mode: 0o600} }

func TestWriteSwapsTheWholeVolume(t *testing.T) {
	g := NewWithT(t)
	dir := filepath.Join(t.TempDir(), "v")
	write := func(files map[string]volume.File) bool {
		changed, err := volume.Write(dir, files)
		g.Expect(err).NotTo(HaveOccurred())
		return changed
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		g.Expect(err).NotTo(HaveOccurred())
		return string(data)
	}
	g.Expect(write(map[string]volume.File{"a": file("1"), "d/e": file("1")})).To(BeTrue())
	g.Expect(read("a") + read("d/e")).To(Equal("11"))
	g.Expect(os.Readlink(filepath.Join(dir, "d"))).To(Equal("..data/d"))
	first, err := os.Readlink(filepath.Join(dir, "..data"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(first).To(MatchRegexp(`^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d+$`))
	info, err := os.Stat(filepath.Join(dir, "a"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Mode().Perm()).To(BeEquivalentTo(0o600))

	g.Expect(write(map[string]volume.File{"a": file("1"), "d/e": file("1")})).To(BeFalse(), "equal files are left alone")
	g.Expect(os.Readlink(filepath.Join(dir, "..data"))).To(Equal(first))
	g.Expect(write(map[string]volume.File{"a": {Data: []byte("1"), Mode: 0o644}, "d/e": file("1")})).To(BeTrue(), "a mode is a change")

	g.Expect(write(map[string]volume.File{"b": file("2")})).To(BeTrue())
	entries, err := os.ReadDir(dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(entries).To(HaveLen(3), "the link to the data, the data, and b")
	g.Expect(read("b")).To(Equal("2"))
	g.Expect(write(nil)).To(BeTrue())
	g.Expect(filepath.Join(dir, "b")).NotTo(BeAnExistingFile())
}

func TestWriteRefusesPathsThatLeaveTheVolume(t *testing.T) {
	for _, name := range []string{"", "/a", "../a", "a/../../b", "..data", "a//b", "./a"} {
		g := NewWithT(t)
		dir := filepath.Join(t.TempDir(), "v")
		_, err := volume.Write(dir, map[string]volume.File{name: file("x")})
		g.Expect(err).To(HaveOccurred(), name)
		g.Expect(dir).NotTo(BeADirectory())
	}
}
