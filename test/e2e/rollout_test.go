package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/test/sse"
)

// readers at a time: enough that a drain has somebody to spread.
const readers = 10

var _ = Describe("The hub", func() {
	It("crashes, and its readers come back and are told that history is gone", func(ctx SpecContext) {
		s := serving(ctx)
		r := s.read(ctx, "")
		Expect(r.resume).To(Equal("live"))
		s.send(ctx, "before")
		e := r.next(ctx)
		Expect(e.Data).To(Equal("before"))
		again := s.read(ctx, e.ID)
		Expect(again.resume).To(Equal("exact"))

		pod := s.hub(ctx)
		before := run(pod)
		Expect(p.Node.Kill(pod.Namespace, pod.Name)).To(Succeed())
		for _, c := range []*reader{r, again} {
			_, err := c.Next(ctx)
			Expect(err).To(And(HaveOccurred(), Not(MatchError(io.EOF))), "a crash is no clean end")
		}
		r = s.readAgain(ctx, r.LastEventID())
		Expect(r.resume).To(Equal("reset"))
		Expect(r.first.ID).To(Equal(e.ID), "the cursor moves only with the notice")
		gap := r.next(ctx)
		Expect(gap.Type).To(Equal("runnel-gap"))
		Expect(gap.Data).To(And(ContainSubstring(`"reason":"reset"`), ContainSubstring(`"requested":"`+e.ID+`"`)))
		Expect(gap.ID).NotTo(Equal(e.ID))
		s.connect(ctx)
		Eventually(func() int { // the Service may notice the crash only now
			status, _ := s.post(ctx, s.token, "orders", "after")
			return status
		}).Should(Equal(http.StatusOK))
		Expect(r.receives(ctx)).To(Equal("after"))

		Expect(s.hub(ctx).UID).To(Equal(pod.UID))
		Expect(run(s.hub(ctx))).NotTo(Equal(before))
		Eventually(func() int64 { return int64(s.hub(ctx).Status.ContainerStatuses[0].RestartCount) }).Should(BeEquivalentTo(1))
	})

	It("resumes with nothing lost or doubled after connections are cut", func(ctx SpecContext) {
		s := serving(ctx)
		r := s.read(ctx, "")
		s.send(ctx, "0")
		Expect(r.receives(ctx)).To(Equal("0"))
		for i := 1; i <= 20; i += 4 {
			Expect(p.Node.CutConnections(s.key.Namespace, render.SubscribeName(s.key.Name))).To(BeNumerically(">=", 1))
			_, err := r.Next(ctx)
			Expect(err).To(And(HaveOccurred(), Not(MatchError(io.EOF))))
			s.send(ctx, fmt.Sprint(i))
			s.send(ctx, fmt.Sprint(i+1))
			r = s.read(ctx, r.LastEventID())
			Expect(r.resume).To(Equal("exact"))
			s.send(ctx, fmt.Sprint(i+2))
			s.send(ctx, fmt.Sprint(i+3))
			for n := i; n < i+4; n++ {
				Expect(r.receives(ctx)).To(Equal(fmt.Sprint(n)))
			}
		}
	})

	It("is replaced when the template changes: one more at a time, never none, and every reader goes on where it was", func(ctx SpecContext) {
		s := serving(ctx)
		hubs := s.follow(ctx)
		var all []*reader
		for range readers {
			all = append(all, s.read(ctx, ""))
		}
		knocking := s.knock(ctx)
		before := s.hub(ctx).UID
		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) {
			spec.Template = &v1alpha1.HubTemplate{Annotations: map[string]string{"team.example/version": "2"}}
		})
		for _, r := range all {
			e := r.next(ctx)
			Expect(e.Type).To(Equal("runnel-close"))
			Expect(e.Data).To(And(ContainSubstring(`"reason":"drain"`), ContainSubstring(`"reconnect":true`)))
			_, err := r.Next(ctx)
			Expect(err).To(MatchError(io.EOF), "a clean end")
			again := s.read(ctx, r.LastEventID())
			Expect(again.resume).To(Equal("exact"))
		}
		s.ready(ctx)
		s.servesAgain(ctx)
		Expect(s.hub(ctx).UID).NotTo(Equal(before))
		Expect(s.hub(ctx).Annotations).To(HaveKeyWithValue("team.example/version", "2"))
		Expect(knocking()).To(BeEmpty(), "whoever comes gets 200, at any time")
		hubs.end()
		Expect(hubs.hubs).To(Equal(2))
		Expect(hubs.staying).To(Equal(2), "hubs at a time, but for those on their way out")
		Expect(hubs.serving).To(Equal(1), "hubs that were ready at the least")
		Expect(hubs.badly).To(BeEmpty())
	})

	It("is left alone when the operator restarts, in order or by a crash", func(ctx SpecContext) {
		s := serving(ctx)
		r, pod := s.read(ctx, ""), s.hub(ctx)
		restartOperator(ctx)
		settledAfter(ctx, 0)
		crashOperator(ctx)
		settledAfter(ctx, 0)
		Expect(s.hub(ctx).ResourceVersion).To(Equal(pod.ResourceVersion))
		s.send(ctx, "still here")
		Expect(r.receives(ctx)).To(Equal("still here"))
		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) { spec.Heartbeat.Interval = "7s" })
		s.ready(ctx)
		Expect(s.read(ctx, "").first.Data).To(ContainSubstring(`"heartbeatMs":7000`))
	})

	It("takes tokens of a new key of the cluster, with no connection lost", func(ctx SpecContext) {
		s := serving(ctx)
		r, before := s.read(ctx, ""), run(s.hub(ctx))
		Expect(p.API.RotateKey()).To(Succeed())
		fresh, err := p.Token(ctx, s.key.Namespace, publisher, s.now(ctx).Status.Address.Audience)
		Expect(err).NotTo(HaveOccurred())
		status, body := s.post(ctx, fresh, "orders", "too early")
		Expect(status).To(Equal(http.StatusUnauthorized), "nobody has told the hub of the key: %s", body)

		restartOperator(ctx) // it asks for the keys when it starts, and every 5 min from then on
		Eventually(func() int {
			status, _ := s.post(ctx, fresh, "orders", "new key")
			return status
		}).Should(Equal(http.StatusOK))
		s.send(ctx, "old key")
		Expect(r.receives(ctx)).To(Equal("new key"))
		Expect(r.receives(ctx)).To(Equal("old key"))
		Expect(run(s.hub(ctx))).To(Equal(before))
		s.ready(ctx)
	})
})

// knock connects again and again, to read. What it returns ends it and gives what a browser, or a proxy before it, would not have
// liked: another status than 200, and a connection that was not answered.
func (s *stream) knock(ctx context.Context) (bad func() []string) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	answers := make(chan []string, 1)
	go func() {
		var wrong []string
		for ctx.Err() == nil {
			c, err := sse.Open(ctx, s.subscribe+"/v1/topics/orders/events")
			switch {
			case err == nil:
				c.Close()
			case ctx.Err() == nil:
				wrong = append(wrong, err.Error())
			}
		}
		answers <- wrong
	}()
	stop := sync.OnceValue(func() []string {
		cancel()
		return <-answers
	})
	DeferCleanup(func() { stop() })
	return stop
}
