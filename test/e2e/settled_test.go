package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

const (
	// forced is how often an operator is made to look at a settled stream.
	forced = 20
	// settledLooks is the number of looks, 50 ms from one to the next, at which nothing has changed before a stream counts as settled.
	settledLooks = 60
	// tick is the pause between two writes by which time is counted where it must not depend on the machine's speed.
	tick = 10 * time.Millisecond
	// latestTicks bounds the number of writes to the API server between a change of a hub and the status that tells of it.
	latestTicks = 50
	// attempts is how many times the delay is measured; the best one counts. Before a third crash, the kubelet would hold the hub back for
	// 20 s.
	attempts = 2
)

var _ = Describe("A settled stream", func() {
	It("costs no write request, whatever makes the operator look", func(ctx SpecContext) {
		s := serving(ctx)
		user := operatorUser(ctx)
		Eventually(s.events).WithContext(ctx).Should(ConsistOf("Accepted", "Available", "ConfigLoaded"))
		done := s.settles(ctx)
		configMap := s.children()["ConfigMap"]
		// The stranger's own writes move the ConfigMap, so it is counted by hand.
		before, mark := s.allVersions(ctx), calls.mark()
		for i := range forced {
			patch(ctx, configMap, fmt.Sprintf(`{"metadata":{"annotations":{"team.example/round":"%d"}}}`, i))
			before["ConfigMap"] = configMap.GetResourceVersion()
			now := settledAfter(ctx, done)
			Expect(now-done).To(BeEquivalentTo(1), "one change of somebody else is one reconciliation")
			done = now
		}
		Expect(calls.writes(user, mark)).To(BeEmpty())
		Expect(s.allVersions(ctx)).To(Equal(before))

		mark = calls.mark()
		restartOperator(ctx)
		settledAfter(ctx, 0)
		Expect(calls.writes(user, mark)).To(HaveEach(HavePrefix("create events")), "a new leader says only that it leads")
		Expect(s.allVersions(ctx)).To(Equal(before), "after the operator's restart")
		Eventually(s.events).WithContext(ctx).Should(ConsistOf("Accepted", "Available", "ConfigLoaded"))
	})

	It("is reconciled once for a spec that changes only its status, and no more while that cannot be carried out", func(ctx SpecContext) {
		s := serving(ctx)
		done := s.settles(ctx)
		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) { spec.Retention.Bytes = new(resource.MustParse("4Gi")) })
		s.condition(ctx, v1alpha1.ConditionStalled, "True", "Invalid")
		Expect(settledAfter(ctx, done)-done).To(BeEquivalentTo(1), "the status that the operator writes is no news to it")
		Consistently(func() (float64, error) {
			w, err := operatorWork(ctx)
			return w.done - done, err
		}, 2*time.Second, 200*time.Millisecond).WithContext(ctx).Should(BeEquivalentTo(1), "only a new spec helps")
	})

	It("is all that the operator watches, with its children", func(ctx SpecContext) {
		// A kind that is added here is held in the operator's memory for the whole cluster.
		Expect(calls.follows(operatorUser(ctx))).To(Equal([]string{"configmaps", "deployments", "eventstreams", "pods", "serviceaccounts", "services"}))
	})

	It("says at once that its hub is gone, and that it is back", func(ctx SpecContext) {
		s := serving(ctx)
		l := s.lateness(ctx)
		var gone, back []int64
		for range attempts {
			pod := s.hub(ctx)
			Expect(p.Node.Kill(pod.Namespace, pod.Name)).To(Succeed())
			gone = append(gone, l.until(false))
			back = append(back, l.until(true))
		}
		AddReportEntry("late", fmt.Sprint("gone ", gone, ", back ", back), ReportEntryVisibilityAlways)
		Expect(gone).To(ContainElement(BeNumerically("<", latestTicks)))
		Expect(back).To(ContainElement(BeNumerically("<", latestTicks)))
	})
})

// settles waits until nothing of the stream and its operator has changed for settledLooks, and returns the number of the operator's
// reconciliations. A Ready stream is not settled yet: its Deployment's status may still be on the way.
func (s *stream) settles(ctx context.Context) (done float64) {
	GinkgoHelper()
	var versions map[string]string
	looks := 0
	Eventually(func(g Gomega) {
		w, err := operatorWork(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		if now := s.allVersions(ctx); !w.idle || w.done != done || !maps.Equal(now, versions) {
			done, versions, looks = w.done, now, 0
		}
		looks++
		g.Expect(looks).To(BeNumerically(">=", settledLooks))
	}).WithContext(ctx).Should(Succeed())
	return done
}

// lateness counts the writes that the API server answers between a change of a stream's hub and the status that tells of it, as somebody
// who watches both sees them. A machine that is slow or busy delays those writes as it delays the operator.
type lateness struct {
	hub, stream chan bool
	ticks       atomic.Int64
}

func (s *stream) lateness(ctx context.Context) *lateness {
	GinkgoHelper()
	c, err := client.NewWithWatch(p.Config, client.Options{Scheme: p.Client.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	l := &lateness{hub: make(chan bool, 100), stream: make(chan bool, 100)}
	var following sync.WaitGroup
	DeferCleanup(following.Wait) // after the watches and the ticks have been stopped
	l.tick(context.WithoutCancel(ctx), s.key.Namespace, &following)
	follow := func(list client.ObjectList, told chan<- bool, ready func(client.Object) bool) {
		w, err := c.Watch(context.WithoutCancel(ctx), list, client.InNamespace(s.key.Namespace))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(w.Stop)
		following.Go(func() {
			before := true
			for e := range w.ResultChan() {
				if o, ok := e.Object.(client.Object); ok && e.Type != watch.Deleted && ready(o) != before {
					before = !before
					told <- before
				}
			}
		})
	}
	follow(&corev1.PodList{}, l.hub, func(o client.Object) bool {
		for _, c := range o.(*corev1.Pod).Status.Conditions {
			if c.Type == corev1.PodReady {
				return c.Status == corev1.ConditionTrue
			}
		}
		return false
	})
	follow(&v1alpha1.EventStreamList{}, l.stream, func(o client.Object) bool {
		return meta.IsStatusConditionTrue(o.(*v1alpha1.EventStream).Status.Conditions, v1alpha1.ConditionReady)
	})
	return l
}

// tick writes to an object of its own, one write after the other, until the spec ends.
func (l *lateness) tick(ctx context.Context, namespace string, running *sync.WaitGroup) {
	GinkgoHelper()
	clock := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "clock"}}
	Expect(p.Client.Create(ctx, clock)).To(Succeed())
	ctx, stop := context.WithCancel(ctx)
	DeferCleanup(stop)
	running.Go(func() {
		defer GinkgoRecover()
		for ; ctx.Err() == nil; until(ctx, time.Now().Add(tick)) {
			clock.Data = map[string]string{"tick": fmt.Sprint(l.ticks.Add(1))}
			if err := p.Client.Update(ctx, clock); ctx.Err() == nil {
				Expect(err).NotTo(HaveOccurred())
			}
		}
	})
}

// until waits until the hub is ready or not, and then until the stream says so. It returns the number of ticks between the two.
func (l *lateness) until(ready bool) int64 {
	GinkgoHelper()
	Eventually(l.hub).Should(Receive(Equal(ready)))
	began := l.ticks.Load()
	Eventually(l.stream).Should(Receive(Equal(ready)))
	return l.ticks.Load() - began
}
