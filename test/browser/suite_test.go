// Package browser_test holds what a native EventSource in a real browser sees of a stream.
package browser_test

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/runnel-dev/runnel/test/platform"
	"github.com/runnel-dev/runnel/test/sandbox"
)

func TestBrowser(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Browser")
}

const (
	// patience is ample for a hub to be replaced on a busy machine; a state that is not reached by then never is.
	patience = 30 * time.Second
	poll     = 50 * time.Millisecond
	// backOff lets a hub that was killed more than once come back soon.
	backOff = 300 * time.Millisecond
	// namespace is where all streams are.
	namespace = "web"
)

var (
	runnel *platform.Platform
	// chromium is the browser's context; each page is a child of it.
	chromium context.Context
	// home and stranger serve the same page from two origins, neither of them a hub's.
	home, stranger string
)

//go:embed testdata/reader.html
var reader []byte

var _ = BeforeSuite(func(ctx SpecContext) {
	log.SetLogger(GinkgoLogr)
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(poll)
	program := findChromium()
	if program == "" {
		const missing = "no Chromium on the PATH: install it (apt-get install chromium), or run test/setup as root"
		fmt.Fprintln(os.Stderr, "!! the browser tests are skipped:", missing)
		Skip(missing)
	}
	DeferCleanup(func() { Eventually(children).Should(BeEmpty(), "a process is left") })
	home, stranger = servePage(), servePage()
	chromium = startChromium(program)
	startPlatform(ctx)
}, NodeTimeout(5*time.Minute)) // most of it for programs that must be built

// servePage serves the page on an origin of its own, and returns the origin.
func servePage() string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(reader) // a browser that went away shows in the page
	}))
	DeferCleanup(s.Close)
	return s.URL
}

func startPlatform(ctx SpecContext) {
	bin, err := platform.Programs(ctx)
	Expect(err).NotTo(HaveOccurred())
	runnel, err = platform.Start(ctx, platform.Options{Bin: bin, Sandbox: sandbox.Options{BackOff: backOff}})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(runnel.Stop()).To(Succeed()) })
	Expect(runnel.Install(ctx)).To(Succeed())
	Expect(runnel.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
}
