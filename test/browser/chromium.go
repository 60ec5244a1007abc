// Package browser reads streams with a native EventSource in real browsers, Chromium, Firefox and WebKit. It is for Ginkgo specs: what goes wrong fails the
// spec that runs, and all that is opened is closed with it.
package browser

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/suite"
)

// Missing says how to get Chromium, where Find finds none.
const Missing = "no Chromium on the PATH: install it (apt-get install chromium), or run test/setup as root"

// Find returns Chromium's program, or nothing if there is none. Debian's name comes first.
func Find() string { return find("chromium", "chromium-browser", "google-chrome") }

// find returns the first program of some names that is on the PATH, or nothing if none is.
func find(names ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Browser is a running browser.
type Browser struct {
	// open opens a tab.
	open func() (tab, error)
}

// Start starts a Chromium that knows nothing of its user and leaves nothing behind. It ends with the node that it is called in, such
// as BeforeSuite.
func Start(program string) *Browser {
	ginkgo.GinkgoHelper()
	dir := home()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program),
		chromedp.UserDataDir(filepath.Join(dir, "profile")),
		// Caches and sockets outside of the profile.
		chromedp.Env("HOME="+dir, "TMPDIR="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir),
		chromedp.CombinedOutput(suite.Log()),
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
	ginkgo.DeferCleanup(free)
	ctx, cancel := chromedp.NewContext(allocator)
	ginkgo.DeferCleanup(cancel)
	gomega.Expect(chromedp.Do(ctx)).To(gomega.Succeed())
	ginkgo.DeferCleanup(func() { gomega.Expect(chromedp.Cancel(ctx)).To(gomega.Succeed()) })
	return &Browser{func() (tab, error) {
		tab, end := chromedp.NewContext(ctx)
		return chromiumTab{tab, end}, chromedp.Do(tab) // the tab lasts for as long as the context of the first call
	}}
}

// chromiumTab is a tab of Chromium. Its context is a child of the browser's.
type chromiumTab struct {
	ctx context.Context
	end func()
}

func (t chromiumTab) close() { t.end() }

func (t chromiumTab) navigate(ctx context.Context, url string) error {
	bound, cancel := t.bound(ctx)
	defer cancel()
	return chromedp.Do(bound, chromedp.Navigate(url))
}

func (t chromiumTab) evaluate(ctx context.Context, expression string) (string, error) {
	bound, cancel := t.bound(ctx)
	defer cancel()
	return chromedp.Run(bound, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
}

// bound is the tab's context until another one ends.
func (t chromiumTab) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	bound, cancel := context.WithCancel(t.ctx)
	stop := context.AfterFunc(ctx, cancel)
	return bound, func() { stop(); cancel() }
}

// Offline takes the network of a page in Chromium away, or gives it back.
func (p *Page) Offline(off bool) {
	ginkgo.GinkgoHelper()
	t := p.tab.(chromiumTab)
	gomega.Expect(chromedp.Do(t.ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		// No pattern: all requests; -1: no limit.
		all := &network.Conditions{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}
		_, err := cdp.Call(ctx, t, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{all},
		})
		return err
	}))).To(gomega.Succeed())
}

// ServeHTML answers a request with a page.
func ServeHTML(w http.ResponseWriter, page []byte) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page) // a browser that went away shows in the page
}
