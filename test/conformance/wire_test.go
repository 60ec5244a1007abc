package conformance_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/browser"
	"github.com/runnel-dev/runnel/test/sse"
	"github.com/runnel-dev/runnel/test/suite"
)

var retryField = regexp.MustCompile(`(?m)^retry: (\d+)$`)

// retryMs is the first reconnection time that a stream tells.
func retryMs(stream string) int {
	GinkgoHelper()
	found := retryField.FindStringSubmatch(stream)
	Expect(found).NotTo(BeNil(), stream)
	ms, err := strconv.Atoi(found[1])
	Expect(err).NotTo(HaveOccurred())
	return ms
}

var _ = Describe("The subscribe port", func() {
	It("answers with the headers of an event stream that nothing may keep or change", func() {
		s := connect(hub.url([]string{hub.topic()}))
		Expect(s.Answer.Get("Content-Type")).To(Equal("text/event-stream; charset=utf-8"))
		Expect(s.Answer.Get("Cache-Control")).To(Equal("no-store, no-transform"))
		Expect(s.Answer.Get("X-Accel-Buffering")).To(Equal("no"))
		Expect(s.Answer.Get("Runnel-Resume")).To(Equal("live"))
		Expect(s.Answer.Get("Runnel-Cursor")).To(MatchRegexp(`^[0-9a-z]{8}-(0|[1-9][0-9]{0,19})$`))
		Expect(s.Answer).NotTo(HaveKey("Content-Encoding"))
		Expect(s.Answer).NotTo(HaveKey("Etag"))
	})

	It("begins with runnel-open, not with a byte order mark, and draws retry anew for each connection", func() {
		drawn := map[int]bool{}
		const connections = 20 // that all of them draw the same of 100 values does not happen
		for range connections {
			text := firstBlock(hub.url([]string{hub.topic()}))
			Expect(text).To(HavePrefix("event: runnel-open\nid: "))
			ms := retryMs(text)
			Expect(ms).To(And(BeNumerically(">=", 100), BeNumerically("<", 200)))
			drawn[ms] = true
		}
		Expect(len(drawn)).To(BeNumerically(">", 1))
	})

	It("never redirects", func() {
		for _, path := range []string{"/v1/events/", "//v1/events", "/v1/topics/x/../y/events", "/v1/topics//events", "/v1/topics/x/events/"} {
			status, _ := request(http.MethodGet, hub.subscribe+path, nil)
			Expect(status).To(And(BeNumerically(">=", 400), BeNumerically("<", 500)), path)
		}
	})

	It("takes POST and QUERY as it takes GET, and accepts nobody who does not accept event streams", func() {
		at := hub.url([]string{hub.topic()})
		for _, method := range []string{http.MethodPost, "QUERY"} {
			status, header := request(method, at, nil)
			Expect(status).To(Equal(http.StatusOK), method)
			Expect(header.Get("Content-Type")).To(HavePrefix("text/event-stream"), method)
		}
		status, header := request(http.MethodPut, at, nil)
		Expect(status).To(Equal(http.StatusMethodNotAllowed))
		Expect(header.Get("Allow")).To(ContainSubstring(http.MethodGet))
		status, _ = request(http.MethodGet, at, http.Header{"Accept": {"text/html"}})
		Expect(status).To(Equal(http.StatusNotAcceptable))
	})

	It("takes any Last-Event-ID, and says that it does not know it", func() {
		topic := hub.topic()
		for _, id := range []string{"…", "CLOSE", "0", "-1", "a:b", "\"", "zzzzzzzz-0", "zzzzzzzz-99999999999999999999999", strings.Repeat("x", 10_000)} {
			s := connect(hub.url([]string{topic}), sse.With("Last-Event-ID", id))
			open := next(s)
			Expect(open.Type).To(Equal(browser.RunnelOpen), id)
			Expect(open.Data).NotTo(ContainSubstring(`"resume":"live"`), id)
			gap := next(s)
			Expect(gap.Type).To(Equal(browser.RunnelGap), id)
			Expect(gap.Data).To(Or(ContainSubstring(`"reason":"unknown_id"`), ContainSubstring(`"reason":"reset"`)), id)
			s.Close()
		}
	})

	It("lets the header's cursor win over the query's", func() {
		topic := hub.topic()
		first, second := hub.send(topic, "", "first"), hub.send(topic, "", "second")
		s := connect(hub.url([]string{topic}, "last_event_id", "earliest"), sse.LastEventID(first.ID))
		Expect(next(s).Type).To(Equal(browser.RunnelOpen))
		got := next(s)
		Expect(got.ID).To(Equal(second.ID))
	})

	It("answers a preflight, and HEAD like GET", func() {
		at := hub.url([]string{hub.topic()})
		status, header := request(http.MethodOptions, at, http.Header{
			"Origin": {home}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"last-event-id"},
		})
		Expect(status).To(Equal(http.StatusNoContent))
		Expect(strings.ToLower(header.Get("Access-Control-Allow-Headers"))).To(And(
			ContainSubstring("last-event-id"), ContainSubstring("authorization"), ContainSubstring("cache-control")))
		status, header = request(http.MethodHead, at, nil)
		Expect(status).To(Equal(http.StatusOK))
		Expect(header.Get("Content-Type")).To(HavePrefix("text/event-stream"))
	})
})

var _ = Describe("The publish port", func() {
	It("refuses what would end a line of its own in types and ids", func() {
		for _, name := range []string{"type", "id"} {
			for _, character := range []string{"\n", "\r", "\x00"} {
				query := url.Values{name: {"a" + character + "data: injected"}}
				status, body := hub.post("/v1/topics/"+hub.topic()+"?"+query.Encode(), "text/plain", []byte("x"))
				Expect(status).To(Equal(http.StatusUnprocessableEntity), "%s %q: %s", name, character, body)
			}
		}
	})

	It("refuses what is no UTF-8, unless it is asked for base64", func() {
		path := "/v1/topics/" + hub.topic()
		status, _ := hub.post(path, "application/octet-stream", []byte{0xff})
		Expect(status).To(Equal(http.StatusUnsupportedMediaType))
		status, _ = hub.post(path+"?encoding=base64", "application/octet-stream", []byte("aGVsbG8="))
		Expect(status).To(Equal(http.StatusOK))
	})
})

var _ = Describe("curl", func() {
	for _, version := range []string{"--http1.0", "--http1.1", "--http2-prior-knowledge"} {
		It(by("curl "+version, "ends with success when the hub drains"), func() {
			needs(missingCurl())
			needsOwnHub()
			own := startHub()
			topic := own.topic()
			e := own.send(topic, "", "hello")
			var got []sse.Event
			seen, ended := make(chan struct{}), make(chan int, 1)
			go func() {
				defer GinkgoRecover()
				exit, _, err := curl(context.Background(), version, own.url([]string{topic}, "last_event_id", "earliest"), "", func(e sse.Event) {
					if got = append(got, e); len(got) == 2 {
						close(seen)
					}
				})
				Expect(err).NotTo(HaveOccurred())
				ended <- exit
			}()
			Eventually(seen).Should(BeClosed())
			own.stop()
			Eventually(ended).Should(Receive(BeZero()))
			Expect(got).To(HaveLen(3))
			Expect(got[1].ID).To(Equal(e.ID))
			Expect(got[2].Data).To(ContainSubstring(`"reason":"drain"`))
		})
	}
})

// next is the next event of a stream.
func next(s *sse.Stream) sse.Event {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.Background(), suite.Patience)
	defer cancel()
	e, err := s.Next(ctx)
	Expect(err).NotTo(HaveOccurred())
	return e
}

// request sends a request of a path as it is, and returns status and headers of its answer.
func request(method, at string, header http.Header) (int, http.Header) {
	GinkgoHelper()
	r, err := http.NewRequest(method, at, nil)
	Expect(err).NotTo(HaveOccurred())
	if header != nil {
		r.Header = header
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	Expect(err).NotTo(HaveOccurred())
	Expect(answer.Body.Close()).To(Succeed())
	return answer.StatusCode, answer.Header
}

// firstBlock is the first block of a stream, byte by byte as it comes by HTTP/1.0.
func firstBlock(from string) string {
	GinkgoHelper()
	u, err := url.Parse(from)
	Expect(err).NotTo(HaveOccurred())
	c, err := net.Dial("tcp", hub.addr())
	Expect(err).NotTo(HaveOccurred())
	defer c.Close()
	_, err = fmt.Fprintf(c, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", u.RequestURI(), u.Host)
	Expect(err).NotTo(HaveOccurred())
	var text strings.Builder
	for one := make([]byte, 1); ; {
		_, err := io.ReadFull(c, one)
		Expect(err).NotTo(HaveOccurred(), text.String())
		text.Write(one)
		if _, body, ok := strings.Cut(text.String(), "\r\n\r\n"); ok && strings.HasSuffix(body, "\n\n") {
			return body
		}
	}
}
