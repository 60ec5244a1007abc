package browser_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/test/browser"
)

var _ = Describe("A page whose hub goes away", func() {
	var (
		s      *stream
		pages  []*browser.Page
		before browser.Event
	)

	BeforeEach(func(ctx SpecContext) {
		s = newStream(ctx, v1alpha1.EventStreamSpec{Topics: topics("orders", "prices.*"), Drain: v1alpha1.Drain{Window: "1s"}})
		// With two, a drain lets one go earlier than the other, and that one may meet the hub that still drains.
		pages = []*browser.Page{s.read("orders", "prices.*"), s.read("orders", "prices.*")}
		before = s.publish(ctx, "orders", "", "before")
		for _, p := range pages {
			Eventually(p.Received).Should(Equal([]browser.Event{before}))
		}
	})

	// goOn holds that the pages get what is published.
	goOn := func(ctx SpecContext) {
		GinkgoHelper()
		after := s.publish(ctx, "prices.eur", "", "after")
		for _, p := range pages {
			Eventually(p.Received).Should(Equal([]browser.Event{before, after}))
			p.NeverClosed()
		}
	}

	// comeBack holds that the pages read from a hub that knows nothing of the history, were told so, and get what is published.
	comeBack := func(ctx SpecContext) {
		GinkgoHelper()
		for _, p := range pages {
			Eventually(p.Resumes).Should(Equal([]string{"live", "reset"}))
			Eventually(p.Control).WithArguments(browser.RunnelGap).Should(HaveLen(1))
			told := browser.Decode[browser.Gap](p.Control(browser.RunnelGap)[0])
			Expect(told.Reason).To(Equal("reset"))
			Expect(told.Topics).To(Equal([]string{"orders", "prices.*"}))
			Expect(told.Requested).To(Equal(before.ID))
		}
		goOn(ctx)
	}

	// drained holds that the pages were told to come back, and then try to.
	drained := func() {
		GinkgoHelper()
		least, err := delay.Parse(0)
		Expect(err).NotTo(HaveOccurred())
		for _, p := range pages {
			Eventually(p.Control).WithArguments(browser.RunnelClose).ShouldNot(BeEmpty())
			told := browser.Decode[browser.Closing](p.Control(browser.RunnelClose)[0])
			Expect(told.Reason).To(Equal("drain"))
			Expect(told.Reconnect).To(BeTrue())
			Expect(time.Duration(told.RetryMs) * time.Millisecond).To(And(BeNumerically(">=", least), BeNumerically("<", 2*least)))
			Eventually(p.By).WithArguments("onerror").ShouldNot(BeEmpty())
			Expect(p.By("onerror")[0].State).To(Equal(browser.Connecting))
		}
	}

	It("comes back by itself after a crash, and is told that the history is lost", func(ctx SpecContext) {
		s.kill(ctx)
		comeBack(ctx)
		for _, p := range pages {
			Expect(p.Control(browser.RunnelClose)).To(BeEmpty())
		}
	})

	It("is told of a rollout, and goes on at the new hub as if it were the old one", func(ctx SpecContext) {
		// What kubectl rollout restart does.
		s.patch(ctx, &appsv1.Deployment{}, render.HubName(s.name),
			`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`, time.Now().Format(time.RFC3339))
		drained()
		for _, p := range pages {
			Eventually(p.Resumes).Should(Equal([]string{"live", "exact"}))
			Expect(p.Control(browser.RunnelGap)).To(BeEmpty())
		}
		goOn(ctx)
	})

	It("keeps trying while there is no hub", func(ctx SpecContext) {
		const attempts = 5
		// A suspended stream's Deployment is left as it is scaled, once the operator knows.
		s.patch(ctx, &v1alpha1.EventStream{}, s.name, `{"spec":{"suspend":true}}`)
		Eventually(s.accepted).WithContext(ctx).Should(Equal(v1alpha1.ReasonSuspended))
		s.patch(ctx, &appsv1.Deployment{}, render.HubName(s.name), `{"spec":{"replicas":0}}`)
		drained()
		for _, p := range pages {
			Eventually(func() int { return len(p.By("onerror")) }).Should(BeNumerically(">=", attempts))
			Expect(p.State()).To(Equal(browser.Connecting))
		}
		s.patch(ctx, &v1alpha1.EventStream{}, s.name, `{"spec":{"suspend":null}}`)
		comeBack(ctx)
	})
})
