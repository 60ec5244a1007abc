package browser_test

import (
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/test/browser"
)

// shown is what a page of the documents prints of an event.
type shown struct {
	Topic string
	Data  json.RawMessage
	ID    string
}

func (s *shown) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&s.Topic, &s.Data, &s.ID})
}

// number publishes {"n":…} as a page of the documents would be sent it, and returns what that prints.
func (s *stream) number(ctx SpecContext, topic, kind string, n int) shown {
	GinkgoHelper()
	data := fmt.Sprintf(`{"n":%d}`, n)
	return shown{topic, json.RawMessage(data), s.publish(ctx, topic, kind, data).ID}
}

func printed(p *browser.Page) []shown { return browser.Evaluate[[]shown](p, "shown") }

func failures(p *browser.Page) []int { return browser.Evaluate[[]int](p, "failures") }

// exampleTopics are what the documents' code reads of a hub.
const exampleTopics = "/v1/events?topic=orders&topic=prices.*"

var _ = Describe("A page of the documents", func() {
	var (
		s       *stream
		gateway *browser.Gateway
	)

	BeforeEach(func(ctx SpecContext) {
		s = newStream(ctx, v1alpha1.EventStreamSpec{
			Topics: topics("orders", "prices.*"),
			CORS:   v1alpha1.CORS{AllowedOrigins: []string{"*"}},
		})
		gateway = browser.StartGateway(s.subscribeAt)
	})

	It("survives 502 and refused connections, and misses nothing", func(ctx SpecContext) {
		p := chromium.Visit(browser.ServeFiles(map[string]string{"/": browser.PageOf(browser.Snippet("README.md", "EventSource", gateway.URL()+exampleTopics))}))
		Eventually(func() string { return browser.Evaluate[string](p, "last") }).ShouldNot(BeEmpty(), "it has runnel-open")
		// closedMeanwhile has the page's source closed for good by 502, and publishes one more event before a new one can open.
		want, closed := []shown{}, 0
		closedMeanwhile := func(topic, kind string) {
			GinkgoHelper()
			gateway.LoseHub()
			closed++
			Eventually(func() int { return count(failures(p), browser.Closed) }).Should(BeNumerically(">=", closed))
			closed = count(failures(p), browser.Closed)
			want = append(want, s.number(ctx, topic, kind, len(want)))
			gateway.Serve()
			Eventually(printed).WithArguments(p).Should(Equal(want))
		}
		closedMeanwhile("orders", "order") // before the page has got any event
		closedMeanwhile("prices.eur", "")
		want = append(want, s.number(ctx, "prices.usd", "", len(want)))
		Eventually(printed).WithArguments(p).Should(Equal(want))
		closedMeanwhile("orders", "order")

		before := len(failures(p))
		gateway.Stop()
		Eventually(func() int { return len(failures(p)) }).Should(BeNumerically(">", before+1), "the connection is refused")
		want = append(want, s.number(ctx, "orders", "", len(want)))
		gateway.Serve()
		Eventually(printed).WithArguments(p).Should(Equal(want))
	})

	It("shares one connection with nine tabs by the shared worker, which survives 502, and misses nothing", func(ctx SpecContext) {
		const tabs = 9 // three more than HTTP/1.1 gives to a host
		origin := browser.ServeSharedWorker(gateway.URL() + exampleTopics)
		pages := make([]*browser.Page, tabs)
		for i := range pages {
			pages[i] = chromium.Visit(origin)
		}
		get := func(pages []*browser.Page, want ...shown) {
			GinkgoHelper()
			for _, p := range pages {
				Eventually(printed).WithArguments(p).Should(Equal(want))
			}
		}
		for _, p := range pages {
			Eventually(func() bool { return browser.Evaluate[bool](p, "began") }).Should(BeTrue())
		}
		first := s.number(ctx, "orders", "order", 1)
		get(pages, first)
		Expect(gateway.Requests()).To(Equal(1))

		gateway.LoseHub()
		Eventually(gateway.Refusals).Should(BeNumerically(">=", 2))
		second := s.number(ctx, "prices.eur", "", 2)
		gateway.Serve()
		get(pages, first, second)

		pages[0].Navigate(home)
		third := s.number(ctx, "prices.eur", "", 3)
		get(pages[1:], first, second, third)
		Expect(gateway.Requests()).To(Equal(2))
	})
})

// count counts a value in a list.
func count(list []int, value int) (n int) {
	for _, v := range list {
		if v == value {
			n++
		}
	}
	return n
}
