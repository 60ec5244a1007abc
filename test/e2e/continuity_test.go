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
	"github.com/runnel-dev/runnel/test/suite"
)

const (
	// manyPages read manyTopics, and manyEvents a second are published at most: twenty deliveries an event.
	manyPages, manyTopics, manyEvents = 5000, 250, 500
	// The window in which a draining hub sends its subscribers away is drainOpenings times the time in which all pages connect at full
	// speed, within these bounds. So the machine is fast enough for a storm of that many times the even rate, and the test can see one.
	drainShortest, drainLongest, drainOpenings = 8 * time.Second, time.Minute, 4
	rollouts                                   = 20
	// changesEach is the number of changes that begin while one drain lasts, at most. So several hubs end at a time, and subscribers come to
	// hubs of which some are replaced before those subscribers have left.
	changesEach = 8. / 3
	// evictEvery so many rollouts, the hub is evicted once.
	evictEvery = 4
	// Reconnections are counted in windows, of which a drain has rateWindows: if all subscribers come back at once, that is rateWindows times
	// the even rate.
	rateWindows = 4
	// rateFactor times the even rate is never exceeded. At the even rate, all subscribers come back once in a drain.
	rateFactor = 2
)

var _ = Describe("A change that nobody notices", func() {
	It("is any of 20 rollouts and 5 evictions, for 5,000 readers and a publisher", func(ctx SpecContext) {
		s := serving(ctx, func(spec *v1alpha1.EventStreamSpec) {
			spec.Topics = []v1alpha1.Topic{{Name: "t.*"}}
			spec.Drain.Window, spec.Reconnect.Delay = v1alpha1.Duration(drainShortest.String()), "500ms"
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
		drain := min(max(drainShortest, drainOpenings*c.open().Round(time.Second)), drainLongest)
		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) { spec.Drain.Window = v1alpha1.Duration(drain.String()) })
		s.ready(ctx)
		f := &flow{url: s.publish, token: s.token, most: manyEvents, topics: topics, faults: &c.faults}
		f.begin()

		began, pace := time.Now(), time.Duration(float64(drain)/changesEach)
		for i := 1; i <= rollouts; i++ {
			next := time.Now().Add(pace)
			c.faults.during("rollout %d", i)
			s.rollOut(ctx, i)
			if i%evictEvery == 0 {
				c.faults.during("eviction after rollout %d", i)
				until(ctx, next)
				next = next.Add(pace)
				c.evicting.Store(true)
				s.evict(ctx)
			}
			f.goesOn(manyTopics)
			until(ctx, next)
			c.evicting.Store(false)
		}
		over := time.Now()
		c.faults.during("the last hubs' drain")
		s.alone(ctx)
		c.allConnected()
		f.end()
		c.receives(f)
		c.close()

		reconnects := c.connects.since(began)
		even := float64(manyPages) / drain.Seconds()
		peak := stormiest(reconnects, drain/rateWindows, even, &c.paused)
		AddReportEntry("figures", fmt.Sprintf("%d changes in %s; %d events, %d sent again, the longest answer after %s; "+
			"%d deliveries; %d turned away; %d reconnections, at most %d in %s, %.2f times the even rate, %s after the first change; "+
			"the test's longest pause was %s",
			hubs.end().hubs-1, over.Sub(began).Round(time.Second), f.sent(), f.again.Load(), f.longest.Round(time.Millisecond),
			c.received.Load(), c.turnedAway.Load(), len(reconnects), peak.n, drain/rateWindows, peak.factor,
			peak.from.Sub(began).Round(time.Second), c.paused.longest(began, over).Round(time.Millisecond)), ReportEntryVisibilityAlways)
		Expect(c.faults.all()).To(BeEmpty())
		Expect(f.holes()).To(BeEmpty(), "one log from the first event to the last")
		Expect(len(reconnects)).To(BeNumerically(">=", manyPages), "every hub was left")
		Expect(peak.factor).To(BeNumerically("<=", rateFactor), "%d reconnections within %v", peak.n, drain/rateWindows)
		Expect(c.turnedAway.Load()).To(BeNumerically("<", manyPages), "few pages meet a hub that drains")
		Expect(hubs.hubs).To(BeEquivalentTo(1+rollouts+rollouts/evictEvery), "each change took one hub")
		Expect(hubs.staying).To(Equal(2), "one more at a time")
		Expect(hubs.serving).To(BeNumerically(">=", 1), "never none that is ready")
		Expect(hubs.badly).To(BeEmpty())
	}, NodeTimeout(suite.Timeout))
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
	}).Should(Succeed())
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
