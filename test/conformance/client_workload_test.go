package conformance_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/browser"
	"github.com/runnel-dev/runnel/test/conformance/cut"
	"github.com/runnel-dev/runnel/test/suite"
)

// route is a way from a reader to the hub; the version of HTTP is that by which nginx asks the hub.
type route struct {
	name string
	// addr is where a client that speaks HTTP/2 alone, or another, finds the hub. n is nil if nginx is not on the way.
	addr  func(n *nginx, http2 bool) string
	nginx bool
}

var routes = []route{
	{name: "directly", addr: func(*nginx, bool) string { return hub.addr() }},
	{name: "through nginx by HTTP/1.0", nginx: true, addr: func(n *nginx, http2 bool) string {
		if http2 {
			return n.HTTP10By2
		}
		return n.HTTP10
	}},
	{name: "through nginx by HTTP/1.1", nginx: true, addr: func(n *nginx, http2 bool) string {
		if http2 {
			return n.HTTP11By2
		}
		return n.HTTP11
	}},
}

// leastCuts is less than random cuts ever are on the way of all events.
const leastCuts = 10

// Mixed events, while connections are cut at random: each client gets each of them once and in order.
var _ = Describe("10,000 events", Ordered, ContinueOnFailure, func() {
	type run struct {
		*reading
		proxy *cut.Proxy
	}
	var want []browser.Event
	runs := map[string]run{}

	BeforeAll(func() {
		var n *nginx
		if missingNginx() == "" {
			started := startNginx(hub.addr())
			n = &started
		}
		topic := hub.topic()
		for _, via := range routes {
			for _, c := range clients {
				if c.missing() != "" || via.nginx && n == nil {
					continue
				}
				name := c.name + " " + via.name
				proxy, err := cut.Listen(via.addr(n, c.http2), randomCuts(name, c))
				Expect(err).NotTo(HaveOccurred())
				DeferCleanup(proxy.Close)
				url := at("http://"+proxy.Addr(), []string{topic}, "last_event_id", "earliest")
				runs[name] = run{c.read(url), proxy}
			}
		}
		for name, r := range runs {
			Eventually(r.opened).Should(BeTrue(), name)
		}
		var sent []browser.Event
		sent, want = workload()
		publishWorkload(topic, sent, want)
	})

	for _, via := range routes {
		for _, c := range clients {
			It(by(c.name, via.name), func() {
				needs(c.missing())
				if via.nginx {
					needs(missingNginx())
				}
				r := runs[c.name+" "+via.name]
				Eventually(r.rests).WithArguments(workloadEvents).WithTimeout(suite.Timeout).Should(BeTrue())
				expected := append([]browser.Event(nil), want...)
				if c.data != nil {
					for i := range expected {
						expected[i].Data = c.data(expected[i].Data)
					}
					remark(c.dataNote)
				}
				if c.finInHeaders != "" {
					remark(c.finInHeaders)
				}
				if c.wholeHeaders != "" {
					remark(c.wholeHeaders)
				}
				if c.whole {
					remark("Cut between events only.")
				}
				if c.note != "" {
					remark(c.note)
				}
				got, err := r.received()
				Expect(difference(got, expected)).To(BeEmpty(), "%v", err)
				Expect(err).NotTo(HaveOccurred())
				Expect(r.control(browser.RunnelGap)).To(BeEmpty())
				Expect(r.proxy.Cuts()).To(BeNumerically(">=", leastCuts))
				GinkgoWriter.Printf("%d cuts\n", r.proxy.Cuts())
			})
		}
	}
})
