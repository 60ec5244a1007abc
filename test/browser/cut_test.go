package browser_test

import (
	"context"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/test/browser"
)

var _ = Describe("A page whose connection is cut", func() {
	It("misses nothing, gets nothing twice and keeps the order while events flow", func(ctx SpecContext) {
		const (
			events = 300
			cuts   = 3
			apart  = 50 // events that the page gets before each cut
		)
		// More than is published while the page is away, on the slowest machine too.
		retention := v1alpha1.StreamRetention{TopicRetention: v1alpha1.TopicRetention{Events: new(int32(100_000))}}
		s := newStream(ctx, v1alpha1.EventStreamSpec{Topics: topics("orders"), Retention: retention})
		p := s.read("orders")

		finish := s.publishOn(ctx, "orders", events)
		resumes := []string{"live"}
		for range cuts {
			seen := len(p.Received())
			Eventually(func() int { return len(p.Received()) }).Should(BeNumerically(">=", seen+apart))
			Expect(s.cut()).To(Equal(1))
			resumes = append(resumes, "exact")
			Eventually(p.Resumes).Should(Equal(resumes))
		}
		sent := finish()
		Eventually(p.Received).Should(ContainElement(sent[len(sent)-1]))

		Expect(p.Received()).To(Equal(sent))
		Expect(p.Resumes()).To(Equal(resumes))
		Expect(p.Control(browser.RunnelGap)).To(BeEmpty())
		p.NeverClosed()
	})
})

// publishOn publishes events one after the other, in the background, until finish is called, and so many at least. finish returns
// all of them.
func (s *stream) publishOn(ctx context.Context, topic string, least int) (finish func() []browser.Event) {
	const pace = 10 * time.Millisecond
	var sent []browser.Event // finish reads it after done
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
	return func() []browser.Event {
		GinkgoHelper()
		close(enough)
		Eventually(done).Should(BeClosed())
		return sent
	}
}
