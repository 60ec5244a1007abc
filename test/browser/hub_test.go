package browser_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
)

var _ = Describe("A page whose hub goes away", func() {
	var (
		s      *stream
		p      *page
		before published
	)

	BeforeEach(func(ctx SpecContext) {
		s = newStream(ctx, v1alpha1.EventStreamSpec{Topics: topics("orders", "prices.*"), Drain: v1alpha1.Drain{Window: "1s"}})
		p = s.read("orders", "prices.*")
		before = s.publish(ctx, "orders", "", "before")
		Eventually(p.received).Should(Equal([]published{before}))
	})

	// comesBack holds that the page reads from a hub that knows nothing of the history, was told so, and gets what is published.
	comesBack := func(ctx SpecContext) {
		GinkgoHelper()
		Eventually(p.resumes).Should(Equal([]string{"live", "reset"}))
		Eventually(func() []entry { return p.control(runnelGap) }).Should(HaveLen(1))
		told := decode[gap](p.control(runnelGap)[0])
		Expect(told.Reason).To(Equal("reset"))
		Expect(told.Topics).To(Equal([]string{"orders", "prices.*"}))
		Expect(told.Requested).To(Equal(before.ID))

		after := s.publish(ctx, "prices.eur", "", "after")
		Eventually(p.received).Should(Equal([]published{before, after}))
		neverClosed(p)
	}

	// drained holds that the page was told to come back, and then tries to.
	drained := func() {
		GinkgoHelper()
		Eventually(func() []entry { return p.control(runnelClose) }).Should(HaveLen(1))
		told := decode[closing](p.control(runnelClose)[0])
		Expect(told.Reason).To(Equal("drain"))
		Expect(told.Reconnect).To(BeTrue())
		least, err := delay.Parse(0)
		Expect(err).NotTo(HaveOccurred())
		Expect(time.Duration(told.RetryMs) * time.Millisecond).To(And(BeNumerically(">=", least), BeNumerically("<", 2*least)))
		Eventually(func() []entry { return p.by("onerror") }).ShouldNot(BeEmpty())
		Expect(p.by("onerror")[0].State).To(Equal(connecting))
	}

	It("comes back by itself after a crash, and is told that the history is lost", func(ctx SpecContext) {
		s.kill(ctx)
		comesBack(ctx)
		Expect(p.control(runnelClose)).To(BeEmpty())
	})

	It("is told of a rollout, and comes back to the new hub", func(ctx SpecContext) {
		// What kubectl rollout restart does.
		s.patch(ctx, &appsv1.Deployment{}, render.HubName(s.name),
			`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`, time.Now().Format(time.RFC3339))
		drained()
		comesBack(ctx)
	})

	It("keeps trying while there is no hub", func(ctx SpecContext) {
		const attempts = 5
		// A suspended stream's Deployment is left as it is scaled, once the operator knows.
		s.patch(ctx, &v1alpha1.EventStream{}, s.name, `{"spec":{"suspend":true}}`)
		Eventually(s.accepted).WithContext(ctx).Should(Equal(v1alpha1.ReasonSuspended))
		s.patch(ctx, &appsv1.Deployment{}, render.HubName(s.name), `{"spec":{"replicas":0}}`)
		drained()
		Eventually(func() int { return len(p.by("onerror")) }).Should(BeNumerically(">=", attempts))
		Expect(p.state()).To(Equal(connecting))
		s.patch(ctx, &v1alpha1.EventStream{}, s.name, `{"spec":{"suspend":null}}`)
		comesBack(ctx)
	})
})
