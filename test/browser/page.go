package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/suite"
)

// Values of EventSource's readyState (HTML, section 9.2.2).
const (
	Connecting = 0
	Opened     = 1
	Closed     = 2
)

// Control events, as the hub names them, and how their names begin.
const (
	RunnelOpen    = "runnel-open"
	RunnelGap     = "runnel-gap"
	RunnelClose   = "runnel-close"
	controlPrefix = "runnel-"
)

// callNotices is how many notices of its log a page hands over in one call, of which some may be large: a call shares the page's only
// thread with the events that come in.
const callNotices = 500

//go:embed reader.html
var reader []byte

// Notice is one thing that the EventSource told its page.
type Notice struct {
	// By which of the page's handlers: onopen, onerror, onmessage, or listener for those of addEventListener.
	By string `json:"by"`
	// Type and Data are the event's.
	Type string `json:"type"`
	Data string `json:"data"`
	// ID is the event's lastEventId.
	ID string `json:"id"`
	// State is the source's readyState then.
	State int `json:"state"`
	// At is when it was told, in milliseconds of the page's clock.
	At float64 `json:"at"`
}

// Event is what was published: what its publisher sent and was answered, or what a page got.
type Event struct{ ID, Type, Data string }

// Page is a tab whose EventSource reads.
type Page struct {
	tab tab

	mu  sync.Mutex // guards log
	log []Notice   // what the page has handed over
}

// Reads says what an EventSource is made with.
type Reads struct {
	URL string
	// Types that the page listens for, besides the hub's own.
	Types           []string
	WithCredentials bool
}

// ServePage serves the page that Open needs on an origin of its own, and returns the origin.
func ServePage() string {
	ginkgo.GinkgoHelper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { ServeHTML(w, reader) }))
	ginkgo.DeferCleanup(s.Close)
	return s.URL
}

// Open opens the page of an origin and lets it read. The tab is closed with the spec, and what it was told is printed if the spec
// failed.
func (b *Browser) Open(origin string, r Reads) *Page {
	ginkgo.GinkgoHelper()
	p := b.Visit(origin)
	ginkgo.DeferCleanup(func() {
		if ginkgo.CurrentSpecReport().Failed() {
			var text strings.Builder
			for _, e := range p.Log() {
				fmt.Fprintf(&text, "%.200v\n", e)
			}
			suite.Keep("what the page was told", text.String())
		}
	})
	types := append([]string{RunnelOpen, RunnelGap, RunnelClose}, r.Types...)
	arguments, err := json.Marshal([]any{r.URL, types, r.WithCredentials})
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	gomega.Expect(Evaluate[bool](p, fmt.Sprintf("read(...%s), true", arguments))).To(gomega.BeTrue())
	return p
}

// tab is a tab of some browser.
type tab interface {
	navigate(ctx context.Context, url string) error
	// evaluate returns what the promise comes to that an expression gives, which is a string.
	evaluate(ctx context.Context, expression string) (string, error)
	close()
}

// Visit opens a tab of any page. It is closed with the spec.
func (b *Browser) Visit(url string) *Page {
	ginkgo.GinkgoHelper()
	t, err := b.open()
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	ginkgo.DeferCleanup(t.close)
	p := &Page{tab: t}
	p.Navigate(url)
	return p
}

// Navigate takes the tab to another page.
func (p *Page) Navigate(url string) {
	ginkgo.GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.Background(), suite.Patience)
	defer cancel()
	gomega.Expect(p.tab.navigate(ctx, url)).To(gomega.Succeed())
}

// Back takes the tab to the page before, which the browser may have kept as it was: such a page is not loaded again.
func (p *Page) Back() {
	ginkgo.GinkgoHelper()
	const where = "location.href"
	from := Evaluate[string](p, where)
	Evaluate[bool](p, "history.back(), true")
	gomega.Eventually(func() string {
		at, err := evaluate[string](p, where)
		if err != nil {
			return from // between two pages there is nowhere to evaluate
		}
		return at
	}).ShouldNot(gomega.Equal(from))
}

// Evaluate returns the value of a JavaScript expression; of a promise, what it comes to.
func Evaluate[T any](p *Page, expression string) T {
	ginkgo.GinkgoHelper()
	value, err := evaluate[T](p, expression)
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	return value
}

func evaluate[T any](p *Page, expression string) (value T, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), suite.Patience)
	defer cancel()
	text, err := p.tab.evaluate(ctx, "(async () => JSON.stringify(await ("+expression+")))()")
	if err != nil {
		return value, err
	}
	return value, json.Unmarshal([]byte(text), &value)
}

// Leave lets the page stop reading.
func (p *Page) Leave() {
	ginkgo.GinkgoHelper()
	Evaluate[bool](p, "source.close(), true")
}

// Log returns all that the page was told until now.
func (p *Page) Log() []Notice {
	ginkgo.GinkgoHelper()
	return p.LogFrom(0)
}

// LogFrom returns what the page was told after its first n notices.
func (p *Page) LogFrom(n int) []Notice {
	ginkgo.GinkgoHelper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		known := len(p.log)
		next := Evaluate[[]Notice](p, fmt.Sprintf("log.slice(%d, %d)", known, known+callNotices))
		p.log = append(p.log, next...)
		if len(next) < callNotices {
			return slices.Clone(p.log[n:])
		}
	}
}

// State is the source's readyState.
func (p *Page) State() int { return Evaluate[int](p, "source.readyState") }

// By lists what one handler was told.
func (p *Page) By(handler string) []Notice {
	return slices.DeleteFunc(p.Log(), func(e Notice) bool { return e.By != handler })
}

// Control lists the control events of a type.
func (p *Page) Control(kind string) []Notice {
	return slices.DeleteFunc(p.Log(), func(e Notice) bool { return e.Type != kind })
}

// Received lists the published events that the page got, of its handlers and in its order.
func (p *Page) Received() (out []Event) {
	for _, e := range p.Log() {
		if published, ok := e.Published(); ok {
			out = append(out, published)
		}
	}
	return out
}

// Published is the published event that a notice is, if it is one.
func (e Notice) Published() (Event, bool) {
	switch {
	case e.By == "onmessage":
		return Event{ID: e.ID, Data: e.Data}, true
	case e.By == "listener" && !strings.HasPrefix(e.Type, controlPrefix):
		return Event{ID: e.ID, Type: e.Type, Data: e.Data}, true
	}
	return Event{}, false
}

// Resumes lists how each of the page's connections began.
func (p *Page) Resumes() (out []string) {
	ginkgo.GinkgoHelper()
	for _, e := range p.Control(RunnelOpen) {
		out = append(out, Decode[Opening](e).Resume)
	}
	return out
}

// NeverClosed holds that the page's source was always open or on its way back, and is open now.
func (p *Page) NeverClosed() {
	ginkgo.GinkgoHelper()
	for _, e := range p.Log() {
		gomega.Expect(e.State).NotTo(gomega.Equal(Closed), "%+v", e)
	}
	gomega.Expect(p.State()).To(gomega.Equal(Opened))
}

// Opening is the data of runnel-open.
type Opening struct {
	Resume string   `json:"resume"`
	Cursor string   `json:"cursor"`
	Topics []string `json:"topics"`
}

// Gap is the data of runnel-gap.
type Gap struct {
	Requested string   `json:"requested"`
	ResumedAt string   `json:"resumedAt"`
	Reason    string   `json:"reason"`
	Topics    []string `json:"topics"`
}

// Closing is the data of runnel-close.
type Closing struct {
	Reason    string `json:"reason"`
	Reconnect bool   `json:"reconnect"`
	RetryMs   int64  `json:"retryMs"`
}

// Decode reads the data of a control event.
func Decode[T any](e Notice) (data T) {
	ginkgo.GinkgoHelper()
	gomega.Expect(json.Unmarshal([]byte(e.Data), &data)).To(gomega.Succeed(), e.Data)
	return data
}
