package browser_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

var _ = Describe("A page that is asked to come back later", func() {
	It("misses nothing of what is published until it is let in", func(ctx SpecContext) {
		s := newStream(ctx, v1alpha1.EventStreamSpec{
			Topics: topics("orders"), Limits: v1alpha1.Limits{Connections: new(int32(1))},
		})
		p := s.read("orders")
		before := s.publish(ctx, "orders", "", "before")
		Eventually(p.received).Should(Equal([]published{before}))

		// Another takes its place while it is away.
		p.offline(true)
		s.cut()
		other := s.openPage("orders")
		Eventually(other.resumes).Should(ContainElement("live"))
		meanwhile := s.publish(ctx, "orders", "", "meanwhile")
		Eventually(other.received).Should(Equal([]published{meanwhile}))
		p.offline(false)
		Eventually(p.control).WithArguments(runnelClose).ShouldNot(BeEmpty())
		told := decode[closing](p.control(runnelClose)[0])
		Expect(told.Reason).To(Equal("overloaded"))
		Expect(told.Reconnect).To(BeTrue())

		other.leave()
		Eventually(p.received).Should(Equal([]published{before, meanwhile}))
		Expect(p.resumes()).To(Equal([]string{"live", "exact"}))
		neverClosed(p)
	})
})
