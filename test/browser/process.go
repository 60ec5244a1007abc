package browser

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/suite"
)

// home makes a directory for all that a browser writes. It is removed at the end, when no process is left that has
// it in its command line or environment.
func home() string {
	ginkgo.GinkgoHelper()
	dir, err := os.MkdirTemp("", "runnel-browser-")
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	ginkgo.DeferCleanup(func() {
		gomega.Eventually(processes).WithArguments(dir).Should(gomega.BeEmpty(), "a process of the browser is left")
		gomega.Expect(os.RemoveAll(dir)).To(gomega.Succeed())
	})
	return dir
}

// environment returns this process's environment, with a directory for all that a browser writes.
func environment(dir string) []string {
	return append(os.Environ(), "HOME="+dir, "TMPDIR="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir, "XDG_DATA_HOME="+dir)
}

// start starts a program. The node's end kills the program and all that it started, if they have not ended by themselves.
func start(c *exec.Cmd) (ended <-chan struct{}) {
	ginkgo.GinkgoHelper()
	c.Stdout, c.Stderr = suite.Log(), suite.Log()
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	gomega.Expect(c.Start()).To(gomega.Succeed(), filepath.Base(c.Path))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Wait() // it may say that it was killed
	}()
	ginkgo.DeferCleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // all of them may have ended already
		gomega.Eventually(done).Should(gomega.BeClosed())
	})
	return done
}

// processes lists those that have a text in their command line or environment. Some of a browser's have it in the environment alone.
func processes(text string) []string {
	return running(func(dir string) bool {
		for _, name := range []string{"cmdline", "environ"} {
			content, err := os.ReadFile(filepath.Join(dir, name))
			if err == nil && bytes.Contains(content, []byte(text)) {
				return true
			}
		}
		return false
	})
}

// Children lists the processes that this one started, directly, by their directories in /proc.
func Children() []string {
	return running(func(dir string) bool {
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		_, rest, _ := strings.Cut(string(stat), ") ")
		var state string
		var parent int
		_, scanErr := fmt.Sscan(rest, &state, &parent)
		return err == nil && scanErr == nil && parent == os.Getpid()
	})
}

// running lists the processes that match.
func running(match func(dir string) bool) (out []string) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	for _, dir := range dirs {
		if match(dir) {
			out = append(out, dir)
		}
	}
	return out
}
