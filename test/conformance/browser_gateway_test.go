package conformance_test

import (
	"net/url"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/browser"
)

// natives are the browsers that some cases try beside each other.
var natives = []struct {
	name    string
	browser func() *browser.Browser
	missing func() string
	refused int // a source's state when its connection is refused
}{
	{native, func() *browser.Browser { return chromium }, missingChromium, browser.Connecting},
	{nativeFirefox, func() *browser.Browser { return firefox }, missingFirefox, browser.Closed},
	{nativeWebKit, func() *browser.Browser { return webkit }, missingWebKit, browser.Connecting},
}

var _ = Describe("A page of the README", func() {
	for _, c := range natives {
		It(by(c.name, "survives a proxy's 502 and refused connections, and misses nothing"), func() {
			needs(c.missing())
			topic := hub.topic()
			gateway := browser.StartGateway(hub.subscribe)
			reads := gateway.URL() + "/v1/events?" + url.Values{"topic": {topic}}.Encode()
			p := c.browser().Visit(browser.ServeFiles(map[string]string{"/": browser.PageOf(browser.Snippet("README.md", "EventSource", reads))}))
			Eventually(func() string { return browser.Evaluate[string](p, "last") }).ShouldNot(BeEmpty(), "it has runnel-open")
			var want [][]string
			for _, away := range []struct {
				leave func()
				state int
			}{{gateway.LoseHub, browser.Closed}, {gateway.Stop, c.refused}} {
				from := len(browser.Evaluate[[]int](p, "failures"))
				away.leave()
				// The end of the connection that there was is the first failure.
				Eventually(func() []int {
					failures := browser.Evaluate[[]int](p, "failures")
					return failures[min(from+1, len(failures)):]
				}).Should(ContainElement(away.state))
				want = append(want, []string{topic, "missed", hub.send(topic, "", `"missed"`).ID})
				gateway.Serve()
				Eventually(func() [][]string { return browser.Evaluate[[][]string](p, "shown") }).Should(Equal(want))
			}
		})
	}
})
