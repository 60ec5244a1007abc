package e2e_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

const (
	// manyPages read manyTopics, manyEvents a second are published: twenty deliveries an event.
	manyPages, manyTopics, manyEvents = 5000, 250, 500
	// opening is how many pages are opened a second.
	opening = 1000
	// drainWindow is over how long a hub that ends sends its readers away. It is short, so that the test is.
	drainWindow = 8 * time.Second
	rollouts    = 20
	// changePace is how long there is at least from one change to the next. A hub is left 5 s to 13 s after it has been replaced, so
	// that four end at a time, and readers come to hubs of which some are replaced before they have left.
	changePace = 3 * time.Second
	// evictEvery so many rollouts, the hub is evicted once.
	evictEvery = 4
	// rateWindow is how long the windows are in which reconnections are counted: a part of the drain's in which all that come back at
	// once are four times the even rate, and long enough for a machine that is busy for a second.
	rateWindow = drainWindow / 4
	// rateFactor is how many times the even rate, by which all readers come back once in a drain window, is never exceeded.
	rateFactor = 2
	// continuityTimeout is several times what it takes on two cores.
	continuityTimeout = 10 * time.Minute
)

var _ = Describe("A change that nobody notices", func() {
	It("is any of 20 rollouts and 5 evictions, for 5,000 readers and a publisher", func(ctx SpecContext) {
		s := serving(ctx, func(spec *v1alpha1.EventStreamSpec) {
			spec.Topics = []v1alpha1.Topic{{Name: "t.*"}}
			spec.Drain.Window, spec.Reconnect.Delay = v1alpha1.Duration(drainWindow.String()), "500ms"
		})
		hubs := s.follow(ctx)
		var topics []string
		for i := range manyTopics {
			topics = append(topics, fmt.Sprintf("t.%d", i))
		}
		c := newCrowd(manyPages, func(p *page) {
			p.topic = topics[p.number%manyTopics]
			p.url = s.subscribe + "/v1/topics/" + p.topic + "/events"
		})
		DeferCleanup(c.told)
		c.faults.during("opening")
		c.open(opening)
		Eventually(c.connected.Load).Should(BeEquivalentTo(manyPages))
		f := &flow{url: s.publish, token: s.token, rate: manyEvents, topics: topics, faults: &c.faults}
		f.begin()
		DeferCleanup(f.end)

		standing := standstill()
		DeferCleanup(func() { standing() })
		began := time.Now()
		for i := 1; i <= rollouts; i++ {
			next := time.Now().Add(changePace)
			c.faults.during("rollout %d", i)
			s.rollOut(ctx, i)
			if i%evictEvery == 0 {
				c.faults.during("eviction after rollout %d", i)
				until(ctx, next)
				next = next.Add(changePace)
				s.evict(ctx)
			}
			until(ctx, next)
		}
		over := time.Now()
		c.faults.during("the last hubs' drain")
		s.alone(ctx)
		Eventually(c.connected.Load).Should(BeEquivalentTo(manyPages), "all are there again")
		f.end()
		c.receives(f, gonePatience)
		c.close()

		reconnects := c.connects.since(began)
		peak, at := most(reconnects, rateWindow)
		even := float64(manyPages) / drainWindow.Seconds()
		AddReportEntry("figures", fmt.Sprintf("%d changes in %s; %d events, %d sent again, the longest answer after %s; "+
			"%d deliveries; %d reconnections, at most %.0f a second, %.2f times the even %.0f, %s after the first change; "+
			"the test itself stood still for %s",
			hubs.end().hubs-1, over.Sub(began).Round(time.Second), f.sent(), f.again.Load(), f.longest.Round(time.Millisecond),
			c.received.Load(), len(reconnects), float64(peak)/rateWindow.Seconds(), float64(peak)/rateWindow.Seconds()/even, even,
			at.Sub(began).Round(time.Second), standing().Round(time.Millisecond)), ReportEntryVisibilityAlways)
		Expect(c.faults.all()).To(BeEmpty())
		Expect(f.holes()).To(BeEmpty(), "one log from the first event to the last")
		Expect(f.sent()).To(BeNumerically(">=", int(over.Sub(began).Seconds()*manyEvents*0.9)), "the rate was held")
		Expect(len(reconnects)).To(BeNumerically(">=", manyPages), "every hub was left")
		Expect(float64(peak)/rateWindow.Seconds()).To(BeNumerically("<=", rateFactor*even), "reconnections a second")
		Expect(hubs.hubs).To(BeEquivalentTo(1+rollouts+rollouts/evictEvery), "each change took one hub")
		Expect(hubs.staying).To(Equal(2), "one more at a time")
		Expect(hubs.serving).To(BeNumerically(">=", 1), "never none that is ready")
		Expect(hubs.badly).To(BeEmpty())
	}, NodeTimeout(continuityTimeout))
})

// rollOut replaces the hub, in turn as its author does by the template and as kubectl rollout restart does, and waits until it is
// done. The old hub may drain for a while yet.
func (s *stream) rollOut(ctx context.Context, i int) {
	GinkgoHelper()
	before := s.staying(ctx)
	if i%2 == 0 {
		s.restart(ctx, fmt.Sprint(i))
	} else {
		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) {
			spec.Template = &v1alpha1.HubTemplate{Annotations: map[string]string{"team.example/version": fmt.Sprint(i)}}
		})
	}
	s.replaced(ctx, before)
}

// restart does what kubectl rollout restart does.
func (s *stream) restart(ctx context.Context, at string) {
	GinkgoHelper()
	patch(ctx, s.children()["Deployment"], `{"spec":{"template":{"metadata":{"annotations":{"`+restartedAt+`":"`+at+`"}}}}}`)
}

// evict evicts the hub as a node's drain does, and waits until another is in its place.
func (s *stream) evict(ctx context.Context) {
	GinkgoHelper()
	before := s.staying(ctx)
	Expect(before).To(HaveLen(1))
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.key.Namespace, Name: before[0].Name}}
	Expect(p.Client.SubResource("eviction").Create(ctx, pod, &policyv1.Eviction{})).To(Succeed())
	s.replaced(ctx, before)
}

// replaced waits until a hub that is none of those before is the only one that stays, and is ready, and the stream is.
func (s *stream) replaced(ctx context.Context, before []corev1.Pod) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		now := s.staying(ctx)
		g.Expect(now).To(HaveLen(1))
		g.Expect(ready(&now[0])).To(BeTrue(), "%s is not ready", now[0].Name)
		for _, old := range before {
			g.Expect(now[0].UID).NotTo(Equal(old.UID), "%s is still there", old.Name)
		}
		d := get(ctx, s.child("shop-hub"), &appsv1.Deployment{})
		g.Expect(d.Status.ObservedGeneration).To(Equal(d.Generation))
		g.Expect(s.isReady(ctx)).To(BeTrue())
	}).WithTimeout(gonePatience).Should(Succeed())
}

// staying are the hub's pods that are not on their way out.
func (s *stream) staying(ctx context.Context) (stay []corev1.Pod) {
	GinkgoHelper()
	for _, pod := range s.pods(ctx) {
		if pod.DeletionTimestamp == nil {
			stay = append(stay, pod)
		}
	}
	return stay
}
