package browser_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

// The data of an event as it is published and as a page gets it. An event stream has only lines, so every kind of line end
// becomes LF; nothing else changes.
var payloads = []struct{ name, sent, got string }{
	{"one line", "hello", "hello"},
	{"JSON", `{"price":101.2}`, `{"price":101.2}`},
	{"LF", "one\ntwo", "one\ntwo"},
	{"CR", "one\rtwo", "one\ntwo"},
	{"CRLF", "one\r\ntwo", "one\ntwo"},
	{"all line ends", "one\rtwo\r\nthree\nfour", "one\ntwo\nthree\nfour"},
	{"empty lines", "\n\none\r\n\r\ntwo\r\r", "\n\none\n\ntwo\n\n"},
	{"only a line end", "\n", "\n"},
	{"nothing", "", ""},
	{"4-byte characters", "😀 𝄞 𐍈", "😀 𝄞 𐍈"},
	{"all lengths of characters", "aé€😀", "aé€😀"},
	{"leading spaces", "  two", "  two"},
	{"leading tab", "\ttab", "\ttab"},
	{"only a space", " ", " "},
	{"spaces on each line", " one\n two\n", " one\n two\n"},
	{"byte order mark", "\uFEFFmark", "\uFEFFmark"},
	{"line and paragraph separators", "one\u2028two\u2029three\u0085four\vfive\ffive", "one\u2028two\u2029three\u0085four\vfive\ffive"},
	{"colons", ":no comment", ":no comment"},
	{"text like a field", "data: x\nid: 7\nevent: y\nretry: 1", "data: x\nid: 7\nevent: y\nretry: 1"},
	{"NUL", "a\x00b", "a\x00b"},
}

var _ = Describe("A page", func() {
	It("gets each event's type, data and id, and control events only where it listens for them", func(ctx SpecContext) {
		s := newStream(ctx, v1alpha1.EventStreamSpec{Topics: topics("quotes", "orders.*")})
		p := openPage(home, reads{url: s.url("quotes", "orders.*"), types: []string{"tick"}})
		Eventually(p.resumes).Should(Equal([]string{"live"}))

		var sent []published
		for _, payload := range payloads {
			for _, kind := range []string{"", "tick", "unheard"} {
				e := s.publish(ctx, "quotes", kind, payload.sent)
				if e.Data = payload.got; kind != "unheard" {
					sent = append(sent, e)
				}
			}
		}
		sent = append(sent, s.publish(ctx, "orders.eu", "", "the last"))
		Eventually(p.received).Should(ContainElement(sent[len(sent)-1]))

		got := p.received()
		for i := range min(len(sent), len(got)) {
			Expect(got[i]).To(Equal(sent[i]), payloads[min(i/2, len(payloads)-1)].name)
		}
		Expect(got).To(HaveLen(len(sent)))
		for _, e := range p.by("onmessage") {
			Expect(e.Type).To(Equal("message"))
		}

		begin := p.control(runnelOpen)
		Expect(begin).To(HaveLen(1))
		Expect(begin[0].By).To(Equal("listener"))
		data := decode[opening](begin[0])
		Expect(data.Topics).To(Equal([]string{"quotes", "orders.*"}))
		Expect(begin[0].ID).To(Equal(data.Cursor), "the cursor is set before the first event")
		Expect(p.by("onerror")).To(BeEmpty())
		Expect(p.state()).To(Equal(open))
	})
})
