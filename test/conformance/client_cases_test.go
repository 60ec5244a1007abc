package conformance_test

import (
	"context"
	"net/http"
	"regexp"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/test/browser"
	"github.com/runnel-dev/runnel/test/conformance/cut"
	"github.com/runnel-dev/runnel/test/sse"
)

var _ = Describe(eachClient, func() {
	for _, c := range clients {
		It(by(c.name, "comes back from soft refusals and misses nothing"), func() {
			needs(c.missing())
			needsOwnHub()
			own := startHub()
			other := connect(own.url([]string{own.topic()})) // it takes a place
			defer other.Close()
			topic := own.topic()
			proxy, err := cut.Listen(own.addr(), nil)
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(proxy.Close)
			r := c.read(at("http://"+proxy.Addr(), []string{topic}))
			Eventually(r.opened).Should(BeTrue())
			before := own.send(topic, "", "before")
			Eventually(r.received).Should(Equal([]browser.Event{before}))

			own.reload(func(c *config.Config) { c.Limits.ConnectionsPerHub = 1 })
			proxy.CutAll(cut.RST)
			const often = 3 // the hub says so each time
			Eventually(func() int { return len(r.control(browser.RunnelClose)) }).Should(BeNumerically(">=", often))
			for _, e := range r.control(browser.RunnelClose) {
				Expect(e.Data).To(ContainSubstring(`"reason":"overloaded","reconnect":true`))
			}
			meanwhile := own.send(topic, "", "meanwhile")
			own.reload(func(c *config.Config) { c.Limits.ConnectionsPerHub = 2 })
			Eventually(r.received).Should(Equal([]browser.Event{before, meanwhile}))
			Expect(r.control(browser.RunnelGap)).To(BeEmpty())
			if c.note != "" {
				remark(c.note)
			}
		})

		It(by(c.name, "stops at 204 when its topic is complete"), func() {
			needs(c.missing())
			topic := hub.topic()
			r := c.read(hub.url([]string{topic}))
			Eventually(r.opened).Should(BeTrue())
			last := hub.send(topic, "", "last")
			status, answer := hub.post("/v1/topics/"+topic+"/complete", "text/plain", nil)
			Expect(status).To(Equal(http.StatusOK), "%s", answer)
			Eventually(r.done).Should(BeClosed())
			got, _ := r.received() // that it gave up is what it should
			Expect(got).To(Equal([]browser.Event{last}))
			Expect(r.control(browser.RunnelClose)).To(HaveLen(1))
			Expect(r.control(browser.RunnelClose)[0].Data).To(ContainSubstring(`"reason":"complete"`))
			status, _ = request(http.MethodGet, hub.url([]string{topic}), http.Header{"Last-Event-Id": {last.ID}})
			Expect(status).To(Equal(http.StatusNoContent))
		})

		It(by(c.name, "gets an event again that a cut broke, whole and once"), func() {
			needs(c.missing())
			topic := hub.topic()
			const half, rest = "half", "and rest"
			proxy, err := cut.Listen(hub.addr(), firstOnly(cut.Cut{Behind: regexp.MustCompile("data: " + half), Kind: cut.FIN}))
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(proxy.Close)
			if c.bare != nil {
				c.open = c.bare
			}
			r := c.read(at("http://"+proxy.Addr(), []string{topic}, "last_event_id", "earliest"))
			Eventually(r.opened).Should(BeTrue())
			before := hub.send(topic, "", "before")
			Eventually(r.received).Should(Equal([]browser.Event{before}))
			broken := hub.send(topic, tick, half+rest)
			after := hub.send(topic, "", "after")
			want := Equal([]browser.Event{before, broken, after})
			if c.broken != nil {
				// Unless the cut overtakes what came before it: then it never saw the half, and gets the whole.
				want = Or(want, c.broken(before, browser.Event{ID: broken.ID, Type: tick, Data: half}, broken, after))
				defective(c.brokenNote)
			}
			Eventually(r.received).Should(want)
			Expect(proxy.Cuts()).To(Equal(1))
		})
	}
})

// firstOnly cuts the first connection.
func firstOnly(c cut.Cut) cut.Plan {
	first := true
	return func() cut.Cut {
		if !first {
			return cut.Cut{After: cut.Never}
		}
		first = false
		return c
	}
}

// connect reads a URL, as a program of ours does. It is closed with the spec at the latest.
func connect(url string, headers ...sse.Header) *sse.Stream {
	GinkgoHelper()
	s, err := sse.Open(context.Background(), url, headers...)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(s.Close)
	return s
}
