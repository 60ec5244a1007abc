package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// Values of EventSource's readyState (HTML, section 9.2.2).
const (
	connecting = 0
	open       = 1
	closed     = 2
)

// Control events, as the hub names them.
const (
	runnelOpen  = "runnel-open"
	runnelGap   = "runnel-gap"
	runnelClose = "runnel-close"
)

// callTimeout bounds one call to the browser.
const callTimeout = 10 * time.Second

// entry is one thing that the EventSource told its page.
type entry struct {
	// By which of the page's handlers: onopen, onerror, onmessage, or listener for those of addEventListener.
	By string `json:"by"`
	// Type and Data are the event's.
	Type string `json:"type"`
	Data string `json:"data"`
	// ID is the event's lastEventId.
	ID string `json:"id"`
	// State is the source's readyState then.
	State int `json:"state"`
}

// page is a tab whose EventSource reads.
type page struct{ ctx context.Context }

// reads says what an EventSource is made with.
type reads struct {
	url string
	// types that the page listens for, besides the hub's own.
	types           []string
	withCredentials bool
}

// openPage opens the page of an origin and lets it read. The tab is closed with the spec, and what it was told is printed if the
// spec failed.
func openPage(origin string, r reads) *page {
	GinkgoHelper()
	ctx, cancel := chromedp.NewContext(chromium)
	DeferCleanup(cancel)
	Expect(chromedp.Do(ctx, chromedp.Navigate(origin))).To(Succeed())
	p := &page{ctx}
	DeferCleanup(func() {
		if CurrentSpecReport().Failed() {
			for _, e := range p.log() {
				GinkgoWriter.Printf("%+v\n", e)
			}
		}
	})
	types := append([]string{runnelOpen, runnelGap, runnelClose}, r.types...)
	arguments, err := json.Marshal([]any{r.url, types, r.withCredentials})
	Expect(err).NotTo(HaveOccurred())
	Expect(run(p, chromedp.Evaluate[bool](fmt.Sprintf("read(...%s), true", arguments)))).To(BeTrue())
	return p
}

func run[T any](p *page, action chromedp.Action[T]) T {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(p.ctx, callTimeout)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	Expect(err).NotTo(HaveOccurred())
	return value
}

// leave lets the page stop reading.
func (p *page) leave() {
	GinkgoHelper()
	run(p, chromedp.Evaluate[bool]("source.close(), true"))
}

// log is all that the page was told until now.
func (p *page) log() []entry { return run(p, chromedp.Evaluate[[]entry]("log")) }

// state is the source's readyState.
func (p *page) state() int { return run(p, chromedp.Evaluate[int]("source.readyState")) }

// by lists what one handler was told.
func (p *page) by(handler string) []entry {
	return slices.DeleteFunc(p.log(), func(e entry) bool { return e.By != handler })
}

// control lists the control events of a type.
func (p *page) control(kind string) []entry {
	return slices.DeleteFunc(p.log(), func(e entry) bool { return e.Type != kind })
}

// received lists the published events that the page got, of its handlers and in its order.
func (p *page) received() (out []published) {
	for _, e := range p.log() {
		switch {
		case e.By == "onmessage":
			out = append(out, published{ID: e.ID, Data: e.Data})
		case e.By == "listener" && e.Type != runnelOpen && e.Type != runnelGap && e.Type != runnelClose:
			out = append(out, published{ID: e.ID, Type: e.Type, Data: e.Data})
		}
	}
	return out
}

// resumes lists how each of the page's connections began.
func (p *page) resumes() (out []string) {
	GinkgoHelper()
	for _, e := range p.control(runnelOpen) {
		out = append(out, decode[opening](e).Resume)
	}
	return out
}

// offline takes the page's network away, or gives it back.
func (p *page) offline(off bool) {
	GinkgoHelper()
	run(p, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		// No pattern: all requests; -1: no limit.
		all := &network.Conditions{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}
		_, err := cdp.Call(ctx, t, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{all},
		})
		return err
	}))
}

// opening is the data of runnel-open.
type opening struct {
	Resume string   `json:"resume"`
	Cursor string   `json:"cursor"`
	Topics []string `json:"topics"`
}

// gap is the data of runnel-gap.
type gap struct {
	Requested string   `json:"requested"`
	ResumedAt string   `json:"resumedAt"`
	Reason    string   `json:"reason"`
	Topics    []string `json:"topics"`
}

// closing is the data of runnel-close.
type closing struct {
	Reason    string `json:"reason"`
	Reconnect bool   `json:"reconnect"`
	RetryMs   int64  `json:"retryMs"`
}

// decode reads the data of a control event.
func decode[T any](e entry) (data T) {
	GinkgoHelper()
	Expect(json.Unmarshal([]byte(e.Data), &data)).To(Succeed(), e.Data)
	return data
}
