package conformance_test

import (
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/browser"
	"github.com/runnel-dev/runnel/test/conformance/cut"
)

// native is the column of specs that need a browser. nativeFirefox and nativeWebKit are those of the few specs that these browsers run too.
const (
	native        = "EventSource in Chromium"
	nativeFirefox = "EventSource in Firefox"
	nativeWebKit  = "EventSource in WebKit"
)

// read lets a page of home in Chromium read topics of the hub, as readWith does.
func read(plan cut.Plan, types []string, topics []string, pairs ...string) (*browser.Page, *cut.Proxy) {
	GinkgoHelper()
	needs(missingChromium())
	return readWith(chromium, plan, types, topics, pairs...)
}

// readWith lets a page of home read topics of the hub, through a proxy that records and may cut, and waits until it may miss nothing.
func readWith(b *browser.Browser, plan cut.Plan, types []string, topics []string, pairs ...string) (*browser.Page, *cut.Proxy) {
	GinkgoHelper()
	proxy, err := cut.Listen(hub.addr(), plan)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(proxy.Close)
	p := b.Open(home, browser.Reads{URL: at("http://"+proxy.Addr(), topics, pairs...), Types: types})
	Eventually(p.Resumes).ShouldNot(BeEmpty())
	return p, proxy
}

var _ = Describe("A page", func() {
	It(by(native, "gets each event's type, data and id, and control events only where it listens for them"), func() {
		topic, other := hub.topic(), hub.topic()
		p, _ := read(nil, []string{tick}, []string{topic, other})
		var sent []browser.Event
		for _, payload := range payloads {
			for _, kind := range []string{"", tick, "unheard"} {
				e := hub.send(topic, kind, payload.sent)
				if e.Data = payload.got; kind != "unheard" {
					sent = append(sent, e)
				}
			}
		}
		sent = append(sent, hub.send(other, "", "the last"))
		Eventually(p.Received).Should(ContainElement(sent[len(sent)-1]))

		Expect(difference(p.Received(), sent)).To(BeEmpty())
		for _, e := range p.By("onmessage") {
			Expect(e.Type).To(Equal("message"))
		}
		begin := p.Control(browser.RunnelOpen)
		Expect(begin).To(HaveLen(1))
		Expect(begin[0].By).To(Equal("listener"))
		data := browser.Decode[browser.Opening](begin[0])
		Expect(data.Topics).To(Equal([]string{topic, other}))
		Expect(begin[0].ID).To(Equal(data.Cursor), "the cursor is set before the first event")
		Expect(p.By("onerror")).To(BeEmpty())
		Expect(p.State()).To(Equal(browser.Opened))
	})

	It(by(native, "notices nothing of padding and heartbeats"), func() {
		topic := hub.topic()
		const shortest = "5s"
		p, proxy := read(nil, nil, []string{topic}, "padding", "true", "heartbeat", shortest)
		before := hub.send(topic, "", "before")
		Eventually(p.Received).Should(Equal([]browser.Event{before}))
		const heartbeat = "\n:\n" // in a chunk of its own
		Eventually(func() string { return strings.ReplaceAll(proxy.Received()[0], "\r", "") }).Should(ContainSubstring(heartbeat))
		after := hub.send(topic, "", "after")
		Eventually(p.Received).Should(Equal([]browser.Event{before, after}))
		Expect(proxy.Received()[0]).To(ContainSubstring(":" + strings.Repeat(" ", 2<<10)))
		Expect(p.By("onmessage")).To(HaveLen(2))
		Expect(p.By("onerror")).To(BeEmpty())
	})

	It(by(native, "is not dispatched an event that is cut before its last line end, and gets it again, once"), func() {
		topic := hub.topic()
		p, proxy := read(firstOnly(cut.Cut{Behind: regexp.MustCompile("data: cut\n"), Kind: cut.FIN}), nil, []string{topic})
		before, broken := hub.send(topic, "", "before"), hub.send(topic, "", "cut")
		Eventually(p.Resumes).Should(HaveLen(2))
		after := hub.send(topic, "", "after")
		Eventually(p.Received).Should(Equal([]browser.Event{before, broken, after}))
		Expect(proxy.Cuts()).To(Equal(1))
		p.NeverClosed()
	})

	It(by(native, "sends the last id back as it was, without a preflight, and no sooner than it was told"), func() {
		topic := hub.topic()
		p, proxy := read(nil, nil, []string{topic})
		e := hub.send(topic, "", "before")
		Eventually(p.Received).Should(HaveLen(1))
		proxy.CutAll(cut.RST)
		Eventually(p.Resumes).Should(HaveLen(2))
		Expect(p.Resumes()[1]).To(Equal("exact"))

		requests := proxy.Sent()
		Expect(requests).To(HaveLen(2))
		Expect(requests[0]).NotTo(ContainSubstring("Last-Event-ID"))
		Expect(requests[1]).To(HavePrefix("GET "))
		Expect(requests[1]).To(ContainSubstring("\r\nLast-Event-ID: " + e.ID + "\r\n"))
		failed, opened := p.By("onerror")[0], p.By("onopen")[1]
		Expect(failed.State).To(Equal(browser.Connecting))
		Expect(opened.At - failed.At).To(BeNumerically(">=", retryMs(proxy.Received()[0])))
	})

	const withinHeaders = 60 // bytes
	// closedBy holds that a cut within the answer's headers closes a page's source for good.
	closedBy := func(b *browser.Browser, kind cut.Kind) {
		GinkgoHelper()
		proxy, err := cut.Listen(hub.addr(), func() cut.Cut { return cut.Cut{After: withinHeaders, Kind: kind} })
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(proxy.Close)
		p := b.Open(home, browser.Reads{URL: at("http://"+proxy.Addr(), []string{hub.topic()})})
		Eventually(p.State).Should(Equal(browser.Closed))
	}

	It(by(native, "is closed for good by a FIN within the answer's headers"), func() {
		needs(missingChromium())
		closedBy(chromium, cut.FIN)
		remark(chromiumClient.finInHeaders)
	})

	It(by(nativeFirefox, "is closed for good by a FIN and by a reset within the answer's headers"), func() {
		needs(missingFirefox())
		closedBy(firefox, cut.FIN)
		closedBy(firefox, cut.RST)
		remark(firefoxClient.wholeHeaders)
	})

	// survives holds that a page comes back after cuts within the answer's headers, and misses nothing.
	survives := func(b *browser.Browser, kind cut.Kind) {
		GinkgoHelper()
		const times = 3
		topic := hub.topic()
		p, proxy := readWith(b, nil, nil, []string{topic})
		proxy.Plan(func() cut.Cut { return cut.Cut{After: withinHeaders, Kind: kind} })
		proxy.CutAll(kind)
		Eventually(proxy.Cuts).Should(BeNumerically(">=", times))
		meanwhile := hub.send(topic, "", "meanwhile")
		proxy.Plan(nil)
		Eventually(p.Received).Should(Equal([]browser.Event{meanwhile}))
		p.NeverClosed()
	}

	It(by(native, "comes back when its connection is reset within the answer's headers"), func() {
		needs(missingChromium())
		survives(chromium, cut.RST)
	})
	It(by(nativeWebKit, "comes back after a FIN and after a reset within the answer's headers"), func() {
		needs(missingWebKit())
		survives(webkit, cut.FIN)
		survives(webkit, cut.RST)
	})

	It(by(native, "is told which topic lost events, and gets what is retained"), func() {
		few, all := hub.fewTopic(), hub.topic()
		p, proxy := read(nil, nil, []string{few, all})
		before := []browser.Event{hub.send(few, "", "first"), hub.send(all, "", "first")}
		Eventually(p.Received).Should(Equal(before))

		p.Offline(true)
		proxy.CutAll(cut.RST) // if the browser has not closed it yet
		Eventually(p.State).Should(Equal(browser.Connecting))
		var missed []browser.Event
		for _, text := range []string{"0", "1", "2", "3", "4"} {
			missed = append(missed, hub.send(few, "", text))
		}
		missed = append(missed, hub.send(all, "", "second"))
		last := hub.send(few, "", "5")
		const kept = 2 // by the manifest
		Eventually(hub.depth).WithArguments(few).Should(Equal(kept), "what is too much lingers for a moment")
		p.Offline(false)

		Eventually(p.Resumes).Should(Equal([]string{"live", "gap"}))
		Eventually(p.Received).Should(Equal(append(before, missed[4], missed[5], last)))
		cursor := before[1].ID
		Expect(p.Control(browser.RunnelOpen)[1].ID).To(Equal(cursor), "the cursor does not move before the gap is told")
		gaps := p.Control(browser.RunnelGap)
		Expect(gaps).To(HaveLen(1))
		told := browser.Decode[browser.Gap](gaps[0])
		Expect(told.Reason).To(Equal("evicted"))
		Expect(told.Topics).To(Equal([]string{few}))
		Expect(told.Requested).To(Equal(cursor))
		Expect(gaps[0].ID).To(Equal(told.ResumedAt))
		p.NeverClosed()
	})

	It(by(native, "is told after the hub's restart that the history is lost"), func() {
		needs(missingChromium())
		needsOwnHub()
		first := startHub()
		proxy, err := cut.Listen(first.addr(), nil)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(proxy.Close)
		topic := first.topic()
		p := chromium.Open(home, browser.Reads{URL: at("http://"+proxy.Addr(), []string{topic})})
		Eventually(p.Resumes).Should(Equal([]string{"live"}))
		e := first.send(topic, "", "before")
		Eventually(p.Received).Should(Equal([]browser.Event{e}))
		second := startHub()
		proxy.Target(second.addr())
		first.stop()
		Eventually(p.Resumes).Should(Equal([]string{"live", "reset"}))
		Expect(browser.Decode[browser.Closing](p.Control(browser.RunnelClose)[0]).Reason).To(Equal("drain"))
		Expect(browser.Decode[browser.Gap](p.Control(browser.RunnelGap)[0]).Requested).To(Equal(e.ID))
		after := second.send(topic, "", "after")
		Eventually(p.Received).Should(Equal([]browser.Event{e, after}))
		p.NeverClosed()
	})
})
