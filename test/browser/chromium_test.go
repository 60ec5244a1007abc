package browser_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/chromedp/chromedp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// findChromium returns the program, or nothing if there is none. Debian's name comes first.
func findChromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// startChromium starts a browser that knows nothing of its user and leaves nothing behind.
func startChromium(program string) context.Context {
	dir, err := os.MkdirTemp("", "runnel-browser-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		Eventually(processes).WithArguments(dir).Should(BeEmpty(), "a process of the browser is left")
		Expect(os.RemoveAll(dir)).To(Succeed())
	})
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program),
		chromedp.UserDataDir(filepath.Join(dir, "profile")),
		// Caches and sockets outside of the profile.
		chromedp.Env("HOME="+dir, "TMPDIR="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir),
		chromedp.CombinedOutput(GinkgoWriter),
		// Chromium's own sandbox does not run as root.
		chromedp.Flag("no-sandbox", os.Getuid() == 0),
	}
	for _, flag := range []string{
		"headless", "no-first-run", "no-proxy-server", "disable-gpu", "disable-quic", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-breakpad", "disable-dev-shm-usage",
		// A page in the background is held up otherwise.
		"disable-background-timer-throttling", "disable-renderer-backgrounding",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	// The browser outlives the suite's start, so it is not bound to its context.
	allocator, free := chromedp.NewExecAllocator(context.Background(), options...)
	DeferCleanup(free)
	ctx, cancel := chromedp.NewContext(allocator)
	DeferCleanup(cancel)
	Expect(chromedp.Do(ctx)).To(Succeed())
	DeferCleanup(func() { Expect(chromedp.Cancel(ctx)).To(Succeed()) })
	return ctx
}

// processes lists those that have a text in their command line.
func processes(text string) []string {
	return running(func(dir string) bool {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		return err == nil && strings.Contains(string(line), text)
	})
}

// children lists the processes that this one started, directly.
func children() []string {
	return running(func(dir string) bool {
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		_, rest, _ := strings.Cut(string(stat), ") ")
		var state string
		var parent int
		_, scanErr := fmt.Sscan(rest, &state, &parent)
		return err == nil && scanErr == nil && parent == os.Getpid()
	})
}

// running lists the processes that match, by their directories in /proc.
func running(match func(dir string) bool) (out []string) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	Expect(err).NotTo(HaveOccurred())
	for _, dir := range dirs {
		if match(dir) {
			out = append(out, dir)
		}
	}
	return out
}
