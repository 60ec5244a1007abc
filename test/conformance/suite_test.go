// Package conformance_test holds a hub against what readers that none of us wrote make of it: a real browser, and other people's
// clients. The hub is the suite's own, or any that is there already.
package conformance_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/browser"
	"github.com/runnel-dev/runnel/test/suite"
)

func TestConformance(t *testing.T) {
	name := "Conformance"
	if os.Getenv(envPortable) != "" {
		name += " portable"
	}
	suite.Run(t, name)
}

// What the suite is told by its environment.
const (
	// envHub and envPublish are the base URLs of a hub's two ports, such as http://127.0.0.1:8080. Neither: the suite's own hub.
	envHub     = "HUB"
	envPublish = "PUBLISH"
	// envToken is sent to publish, as a Bearer token.
	envToken = "PUBLISH_TOKEN"
	// envPortable has the suite's own hubs serve every connection by a goroutine of its own, if it is set.
	envPortable = "PORTABLE"
	// envSeed repeats a run's random choices.
	envSeed = "CONFORMANCE_SEED"
	// envTable is a file to write the table to.
	envTable = "CONFORMANCE_TABLE"
)

var (
	// hub is the one that is tried, where a spec does not start one for itself.
	hub *target
	// chromium, firefox and webkit are nil where there is none.
	chromium, firefox, webkit *browser.Browser
	// home and stranger are two origins of pages, neither of them a hub's.
	home, stranger string
	// seed decides all that is random.
	seed uint64
)

var _ = BeforeSuite(func() {
	seed = rand.Uint64()
	if text := os.Getenv(envSeed); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		Expect(err).NotTo(HaveOccurred(), envSeed)
	}
	fmt.Printf("To repeat this run's random choices: %s=%d\n", envSeed, seed) // go test shows it if anything fails
	DeferCleanup(func() { Eventually(browser.Children).Should(BeEmpty(), "a process is left") })
	hub = findHub()
	home, stranger = browser.ServePage(), browser.ServePage()
	if program := browser.Find(); program != "" {
		chromium = browser.Start(program)
	} else {
		warn(browser.Missing)
	}
	if program := browser.FindFirefox(); program != "" {
		firefox = browser.StartFirefox(program)
	} else {
		warn(browser.MissingFirefox)
	}
	if program := browser.FindWebKit(); program != "" {
		webkit = browser.StartWebKit(program)
	} else {
		warn(browser.MissingWebKit)
	}
	for _, missing := range []string{missingNode(), missingNginx(), missingProxies(), missingCurl()} {
		warn(missing)
	}
})

// warn says loudly what will be skipped.
func warn(missing string) {
	if missing != "" {
		fmt.Fprintln(os.Stderr, "!! cases are skipped:", missing)
	}
}

// needs skips the spec where something is missing.
func needs(missing string) {
	GinkgoHelper()
	if missing != "" {
		Skip(missing)
	}
}

// missingChromium says why there is no Chromium, if there is none.
func missingChromium() string {
	if chromium == nil {
		return browser.Missing
	}
	return ""
}

// missingFirefox says why there is no Firefox, if there is none.
func missingFirefox() string {
	if firefox == nil {
		return browser.MissingFirefox
	}
	return ""
}

// missingWebKit says why there is no WebKit, if there is none.
func missingWebKit() string {
	if webkit == nil {
		return browser.MissingWebKit
	}
	return ""
}
