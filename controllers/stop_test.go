package controllers

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

// slowHubs tell when they are asked, and answer when they are let.
type slowHubs struct {
	HubReader
	asked, answer chan struct{}
}

func (h slowHubs) Read(ctx context.Context, ip string) (HubStatus, error) {
	close(h.asked)
	<-h.answer
	return h.HubReader.Read(ctx, ip)
}

func TestStopWaitsForTheReconciliationUnderWayAndLetsNoFurtherOneWrite(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.r.known.forget(key("shop"))
	slow := slowHubs{w, make(chan struct{}), make(chan struct{})}
	w.r.Hubs = slow
	go func() { _, _ = w.r.Reconcile(t.Context(), reconcile.Request{NamespacedName: key("shop")}) }()
	<-slow.asked
	g.Expect(w.r.Stop(0)).To(BeFalse(), "a stream is worked on")
	close(slow.answer)
	g.Expect(w.r.Stop(patience)).To(BeTrue())
	w.change(func(s *v1alpha1.EventStreamSpec) { s.Topics = append(s.Topics, v1alpha1.Topic{Name: "prices"}) })
	w.writes = nil
	_, err := w.r.Reconcile(t.Context(), reconcile.Request{NamespacedName: key("shop")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.writes).To(BeEmpty())
}
