// Package suite holds what the Ginkgo suites have in common: how long they wait, and how much of a failure they print.
package suite

import (
	"fmt"
	"testing"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
)

const (
	// Patience bounds the wait for one state. The longest wait that a test expects is some 45 s, in which a hub waits for a successor
	// and drains, and the rest is for a machine that is slow and busy. Only a failing test waits for all of it.
	Patience = 3 * time.Minute
	// Poll is the time between two looks at a state.
	Poll = 50 * time.Millisecond
	// Timeout bounds one spec, and the work before and after all specs. It is many times what the longest of them takes: a spec that
	// hangs ends earlier, at Patience.
	Timeout = 30 * time.Minute
	// timeout bounds a suite. When it is over, Ginkgo still prints its summary.
	timeout = 70 * time.Minute
)

// Run runs the specs of the calling package as a Go test. Eventually waits for Patience, a message that is longer than a screen goes to
// a file, and so do Keep's texts and Log's lines. These files are kept until the next run if a spec fails, and removed otherwise.
func Run(t *testing.T, name string) {
	gomega.SetDefaultEventuallyTimeout(Patience)
	gomega.EnforceDefaultTimeoutsWhenUsingContexts()
	gomega.SetDefaultEventuallyPollingInterval(Poll)
	gomega.RegisterFailHandler(fail)
	files.begin(name)
	suite, report := ginkgo.GinkgoConfiguration()
	suite.Timeout = timeout
	if ginkgo.RunSpecs(t, name, suite, report) {
		files.remove()
	}
}

// Reaches waits until a count is n or more, and fails the spec when the count has not grown for Patience.
func Reaches(count func() int, n int, what string) {
	ginkgo.GinkgoHelper()
	most, since := count(), time.Now()
	for ; most < n; time.Sleep(Poll) {
		if now := count(); now > most {
			most, since = now, time.Now()
		}
		if time.Since(since) > Patience {
			fail(fmt.Sprintf("%d of %d %s, and none more for %v", most, n, what, Patience))
		}
	}
}
