package conformance_test

import (
	"fmt"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/test/browser"
)

// problem is an error answer as a page reads it.
type problem struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

var _ = Describe("A page", func() {
	for _, refused := range []struct {
		name, query string
		want        problem
	}{
		{"without a topic", "", problem{Status: http.StatusBadRequest, Code: "topic_missing"}},
		{"with a malformed topic", "topic=a..b", problem{Status: http.StatusBadRequest, Code: "topic_malformed"}},
		{"with a malformed parameter", "topic=conformance.x&replay=all", problem{Status: http.StatusBadRequest, Code: "parameter_malformed"}},
		{"of a program that is told of gaps by failing", "topic=conformance.x&last_event_id=none&on_gap=fail", problem{Status: http.StatusGone, Code: "gap"}},
		{"of a topic that is not declared", "topic=nowhere", problem{Status: http.StatusNotFound, Code: "topic_not_declared"}},
	} {
		It(by(native, fmt.Sprintf("%s is refused with %d, which it can read, and closed for good", refused.name, refused.want.Status)), func() {
			needs(missingChromium())
			url := hub.subscribe + "/v1/events?" + refused.query
			p := chromium.Open(home, browser.Reads{URL: url})
			Eventually(p.Log).Should(HaveLen(1))
			Expect(p.Log()[0]).To(And(HaveField("By", "onerror"), HaveField("State", browser.Closed)))
			got := browser.Evaluate[problem](p, fmt.Sprintf(
				"fetch(%s).then(async r => ({...await r.json(), status: r.status, type: r.headers.get('Content-Type')}))", quoted(url)))
			Expect(got.Type).To(Equal("application/problem+json"))
			Expect(got.Detail).NotTo(BeEmpty())
			got.Type, got.Detail = "", ""
			Expect(got).To(Equal(refused.want))
		})
	}

	It(by(native, "that leaves, or whose loading is stopped, holds nothing of the hub's"), func() {
		for _, leave := range []string{"source.close(), true", "window.stop(), true"} {
			topic := hub.topic()
			hub.send(topic, "", "so that there is such a topic")
			p, _ := read(nil, nil, []string{topic})
			Eventually(hub.subscribers).WithArguments(topic).Should(Equal(1))
			browser.Evaluate[bool](p, leave)
			Eventually(p.State).Should(Equal(browser.Closed))
			Eventually(hub.subscribers).WithArguments(topic).Should(BeZero())
		}
	})

	It(by(native, "that is left and visited again reads again"), func() {
		topic := hub.topic()
		p, _ := read(nil, nil, []string{topic}, "replay", "1")
		before := hub.send(topic, "", "before")
		Eventually(p.Received).Should(Equal([]browser.Event{before}))
		p.Navigate(stranger)
		meanwhile := hub.send(topic, "", "meanwhile")
		p.Back()
		// The browser keeps a page that is left, and lets its source come back, or loads it anew: then its script has to begin again.
		if browser.Evaluate[bool](p, "log.length === 0") {
			remark("The page was loaded anew: Chromium keeps none that a debugger drives.")
			return
		}
		Eventually(p.Received).Should(Equal([]browser.Event{before, meanwhile}))
		p.NeverClosed()
	})

	It(by("SharedWorker in Chromium", "shares one connection with eight tabs of its origin, more than HTTP/1.1 gives to each"), func() {
		needs(missingChromium())
		const tabs = 8
		topic := hub.topic()
		worker := browser.ServeSharedWorker(hub.url([]string{topic}, "format", "envelope"))
		var pages []*browser.Page
		for range tabs {
			p := chromium.Visit(worker)
			pages = append(pages, p)
			Eventually(func() bool { return browser.Evaluate[bool](p, "began") }).Should(BeTrue())
		}
		e := hub.send(topic, "", `"for all of them"`)
		Expect(hub.subscribers(topic)).To(Equal(1))
		for _, p := range pages {
			Eventually(func() [][]string { return browser.Evaluate[[][]string](p, "shown") }).Should(Equal([][]string{{topic, "for all of them", e.ID}}))
		}
	})
})

var _ = Describe("A page of another origin", func() {
	admitted := func(own *target, origin string, withCredentials bool) {
		GinkgoHelper()
		topic := own.topic()
		p := chromium.Open(origin, browser.Reads{URL: own.url([]string{topic}), WithCredentials: withCredentials})
		Eventually(p.Resumes).Should(Equal([]string{"live"}))
		e := own.send(topic, "", "for those who may read")
		Eventually(p.Received).Should(Equal([]browser.Event{e}))
		Expect(p.By("onerror")).To(BeEmpty())
	}
	// refused holds that the page never read anything: its source is closed, and a closed one stays so.
	refused := func(own *target, origin string, withCredentials bool) {
		GinkgoHelper()
		p := chromium.Open(origin, browser.Reads{URL: own.url([]string{own.topic()}), WithCredentials: withCredentials})
		Eventually(p.Log).Should(HaveLen(1))
		Expect(p.Log()[0]).To(And(HaveField("By", "onerror"), HaveField("State", browser.Closed)))
	}

	It(by(native, "reads without credentials if every origin is allowed, and not with them"), func() {
		needs(missingChromium())
		admitted(hub, stranger, false)
		refused(hub, stranger, true)
	})

	It(by(native, "reads if its origin is listed, and not with credentials"), func() {
		needs(missingChromium())
		needsOwnHub()
		own := startHub(func(c *config.Config) { c.CORS = config.CORS{AllowedOrigins: []string{home}} })
		admitted(own, home, false)
		refused(own, stranger, false)
		refused(own, home, true)
	})

	It(by(native, "reads with credentials if its origin is listed and they are allowed"), func() {
		needs(missingChromium())
		needsOwnHub()
		own := startHub(func(c *config.Config) {
			c.CORS = config.CORS{AllowedOrigins: []string{home}, AllowCredentials: true}
		})
		admitted(own, home, true)
		admitted(own, home, false)
		refused(own, stranger, true)
	})
})
