// Package browser_test holds what a native EventSource in a real browser sees of a stream.
package browser_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/runnel-dev/runnel/test/browser"
	"github.com/runnel-dev/runnel/test/platform"
	"github.com/runnel-dev/runnel/test/sandbox"
	"github.com/runnel-dev/runnel/test/suite"
)

func TestBrowser(t *testing.T) {
	suite.Run(t, "Browser")
}

const (
	// backOff lets a hub that was killed more than once come back soon.
	backOff = 300 * time.Millisecond
	// namespace is where all streams are.
	namespace = "web"
)

var (
	runnel   *platform.Platform
	chromium *browser.Browser
	// home serves the page from an origin that is no hub's.
	home string
)

var _ = BeforeSuite(func(ctx SpecContext) {
	log.SetLogger(suite.Logger())
	program := browser.Find()
	if program == "" {
		fmt.Fprintln(os.Stderr, "!! the browser tests are skipped:", browser.Missing)
		Skip(browser.Missing)
	}
	DeferCleanup(func() { Eventually(browser.Children).Should(BeEmpty(), "a process is left") })
	home = browser.ServePage()
	chromium = browser.Start(program)
	startPlatform(ctx)
}, NodeTimeout(suite.Timeout))

func startPlatform(ctx SpecContext) {
	bin, err := platform.Programs(ctx)
	Expect(err).NotTo(HaveOccurred())
	runnel, err = platform.Start(ctx, platform.Options{Bin: bin, Sandbox: sandbox.Options{BackOff: backOff}})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(runnel.Stop()).To(Succeed()) })
	Expect(runnel.Install(ctx)).To(Succeed())
	Expect(runnel.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
}
