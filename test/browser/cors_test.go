package browser_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

var _ = Describe("A page of another origin", func() {
	const topic = "orders"

	admitted := func(ctx SpecContext, s *stream, p *page) {
		GinkgoHelper()
		Eventually(p.resumes).Should(Equal([]string{"live"}))
		e := s.publish(ctx, topic, "", "for those who may read")
		Eventually(p.received).Should(Equal([]published{e}))
		Expect(p.by("onerror")).To(BeEmpty())
	}

	// refused holds that the page never read anything: its source is closed, and a closed one stays so.
	refused := func(p *page) {
		GinkgoHelper()
		Eventually(p.state).Should(Equal(closed))
		Eventually(p.log).Should(Equal([]entry{{By: "onerror", Type: "error", State: closed}}))
	}

	It("reads if its origin is listed", func(ctx SpecContext) {
		s := newStream(ctx, v1alpha1.EventStreamSpec{Topics: topics(topic)})
		admitted(ctx, s, openPage(home, reads{url: s.url(topic)}))
		refused(openPage(stranger, reads{url: s.url(topic)}))
		refused(openPage(home, reads{url: s.url(topic), withCredentials: true}))
	})

	It("reads with credentials if its origin is listed and they are allowed", func(ctx SpecContext) {
		s := newStream(ctx, v1alpha1.EventStreamSpec{
			Topics: topics(topic), CORS: v1alpha1.CORS{AllowedOrigins: []string{home}, AllowCredentials: true},
		})
		admitted(ctx, s, openPage(home, reads{url: s.url(topic), withCredentials: true}))
		admitted(ctx, s, openPage(home, reads{url: s.url(topic)}))
		refused(openPage(stranger, reads{url: s.url(topic), withCredentials: true}))
	})

	It("reads without credentials if every origin is allowed", func(ctx SpecContext) {
		s := newStream(ctx, v1alpha1.EventStreamSpec{Topics: topics(topic), CORS: v1alpha1.CORS{AllowedOrigins: []string{"*"}}})
		admitted(ctx, s, openPage(stranger, reads{url: s.url(topic)}))
		refused(openPage(stranger, reads{url: s.url(topic), withCredentials: true}))
	})
})
