package browser_test

import (
	"context"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

var _ = Describe("A page whose connection is cut", func() {
	It("misses nothing, gets nothing twice and keeps the order while events flow", func(ctx SpecContext) {
		const (
			events = 300
			cuts   = 3
			apart  = 50 // events that the page gets before each cut
		)
		// More than is published while the page is away, on the slowest machine too.
		retention := v1alpha1.StreamRetention{TopicRetention: v1alpha1.TopicRetention{Events: 100_000}}
		s := newStream(ctx, v1alpha1.EventStreamSpec{Topics: topics("orders"), Retention: retention})
		p := s.read("orders")

		finish := s.publishOn(ctx, "orders", events)
		resumes := []string{"live"}
		for range cuts {
			seen := len(p.received())
			Eventually(func() int { return len(p.received()) }).Should(BeNumerically(">=", seen+apart))
			Expect(s.cut()).To(Equal(1))
			resumes = append(resumes, "exact")
			Eventually(p.resumes).Should(Equal(resumes))
		}
		sent := finish()
		Eventually(p.received).Should(ContainElement(sent[len(sent)-1]))

		Expect(p.received()).To(Equal(sent))
		Expect(p.resumes()).To(Equal(resumes))
		Expect(p.control(runnelGap)).To(BeEmpty())
		neverClosed(p)
	})

	It("is told which topic lost events, and gets what is retained", func(ctx SpecContext) {
		s := newStream(ctx, v1alpha1.EventStreamSpec{Topics: []v1alpha1.Topic{
			{Name: "prices", Retention: v1alpha1.TopicRetention{Events: 2}},
			{Name: "orders"},
		}})
		p := s.read("prices", "orders")
		before := []published{s.publish(ctx, "prices", "", "first"), s.publish(ctx, "orders", "", "first")}
		Eventually(p.received).Should(Equal(before))

		p.offline(true)
		s.cut() // if the browser has not closed it yet
		Eventually(p.state).Should(Equal(connecting))
		var missed []published
		for i := range 5 {
			missed = append(missed, s.publish(ctx, "prices", "", strconv.Itoa(i)))
		}
		missed = append(missed, s.publish(ctx, "orders", "", "second"))
		for i := range 5 {
			missed = append(missed, s.publish(ctx, "prices", "", strconv.Itoa(5+i)))
		}
		retained := []published{missed[5], missed[9], missed[10]}
		p.offline(false)

		Eventually(p.resumes).Should(Equal([]string{"live", "gap"}))
		Eventually(p.received).Should(ContainElement(missed[10]))
		last := before[1].ID
		Expect(p.control(runnelOpen)[1].ID).To(Equal(last), "the cursor does not move before the gap is told")
		gaps := p.control(runnelGap)
		Expect(gaps).To(HaveLen(1))
		told := decode[gap](gaps[0])
		Expect(told.Reason).To(Equal("evicted"))
		Expect(told.Topics).To(Equal([]string{"prices"}))
		Expect(told.Requested).To(Equal(last))
		Expect(gaps[0].ID).To(Equal(told.ResumedAt))
		Expect(p.received()).To(Equal(append(before, retained...)))
		neverClosed(p)
	})
})

// publishOn publishes events one after the other, in the background, until finish is called, and so many at least. finish returns
// all of them.
func (s *stream) publishOn(ctx context.Context, topic string, least int) (finish func() []published) {
	const pace = 10 * time.Millisecond
	var sent []published // finish reads it after done
	enough, done := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer GinkgoRecover()
		defer close(done)
		ticker := time.NewTicker(pace)
		defer ticker.Stop()
		for over := false; !over || len(sent) < least; {
			sent = append(sent, s.publish(ctx, topic, "", strconv.Itoa(len(sent))))
			select {
			case <-enough:
				over = true
			default:
			}
			<-ticker.C
		}
	}()
	DeferCleanup(func() { // it goes on when the spec failed before finish
		cancel()
		<-done
	})
	return func() []published {
		GinkgoHelper()
		close(enough)
		Eventually(done).Should(BeClosed())
		return sent
	}
}

// neverClosed holds that the page's source was always open or on its way back, and is open now.
func neverClosed(p *page) {
	GinkgoHelper()
	for _, e := range p.log() {
		Expect(e.State).NotTo(Equal(closed), "%+v", e)
	}
	Expect(p.state()).To(Equal(open))
}
