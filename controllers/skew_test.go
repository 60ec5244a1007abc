package controllers

import (
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

func TestAnOldHubGetsADocumentThatItReads(t *testing.T) {
	g := NewWithT(t)
	w, hubs := upgraded(g, 1)
	w.change(withIssuers)
	w.reconcile()
	g.Expect(w.written().Version).To(Equal(1))
	g.Expect(w.writtenIssuers()).To(Equal([]string{"old"}), "without the restriction that the hub does not know, it would grant more")
	w.reconcile()
	g.Expect(w.condition("ConfigLoaded")).To(Equal("False/HubTooOld"))
	g.Expect(w.condition("Stalled")).To(Equal("True/HubTooOld"))
	g.Expect(w.message("Ready")).To(And(
		ContainSubstring("hub shop-hub-1 reads version 1 of the configuration"),
		ContainSubstring("auth.subscribers.jwt.issuers.maxTokenLifetime needs version 2"),
		ContainSubstring(`kubectl -n team-a patch evs shop --type merge -p '{"spec":{"imagePolicy":"FollowOperator"}}'`)))
	g.Expect(w.events()).To(ContainElement(HavePrefix("Warning HubTooOld")))

	hubs.asked = nil
	w.reconcile()
	g.Expect(w.writes).To(BeEmpty())
	g.Expect(hubs.asked).To(BeEmpty(), "a settled stream costs nothing")

	// What is taken back reaches it all the same.
	w.change(func(s *v1alpha1.EventStreamSpec) { s.Auth.Subscribers.JWT.Issuers = s.Auth.Subscribers.JWT.Issuers[:1] })
	w.reconcile()
	g.Expect(w.writtenIssuers()).To(BeEmpty())
	g.Expect(w.written().Auth.Subscribers.Nobody).NotTo(BeNil())
	w.change(func(s *v1alpha1.EventStreamSpec) { s.Topics = []v1alpha1.Topic{{Name: "other"}} })
	w.reconcile()
	g.Expect(w.written().Topics).To(ConsistOf(HaveField("Name", "other")))

	w.change(func(s *v1alpha1.EventStreamSpec) { s.Auth.Subscribers.JWT.Issuers[0].MaxTokenLifetime = "" })
	w.reconcile()
	w.rolls("shop")
	w.reconcile()
	g.Expect(w.writtenIssuers()).To(Equal([]string{"new"}))
	g.Expect(w.condition("Ready")).To(Equal("True/Ready"))
}

func TestAPodDoesNotChangeWithTheDocument(t *testing.T) {
	g := NewWithT(t)
	w, hubs := upgraded(g, 1)
	w.change(withIssuers)
	w.reconcile()
	d := (&fleet{world: w}).deployment("shop")
	g.Expect(json.Marshal(d.Spec.Template)).To(And(ContainSubstring("/configmaps/new"), ContainSubstring("/configmaps/old")))
	w.rolls("shop")
	hubs.versions["127.1.0.1"] = 3
	w.restartWith(hubs, next)
	w.reconcile()
	g.Expect(w.writtenIssuers()).To(Equal([]string{"new", "old"}))
	g.Expect(w.writes).To(ConsistOf("apply ConfigMap shop-hub", HavePrefix("patch status of shop-hub-1")))
}

func TestNoHubIsAskedForWhatEveryHubReads(t *testing.T) {
	g := NewWithT(t)
	w, hubs := upgraded(g, 1)
	w.reconcile()
	g.Expect(hubs.asked).To(HaveLen(1), "an operator that starts asks what it runs")
	w.change(func(s *v1alpha1.EventStreamSpec) { s.Heartbeat.Interval = "20s" })
	hubs.asked = nil
	w.reconcile()
	g.Expect(hubs.asked).To(BeEmpty(), "it is to be told first")
	g.Expect(w.written().Version).To(Equal(1))
}

func TestAHubIsAskedOnceInAReconciliation(t *testing.T) {
	g := NewWithT(t)
	w, hubs := upgraded(g, 2)
	w.change(withIssuers)
	w.reconcile()
	g.Expect(w.written().Version).To(Equal(2))
	g.Expect(hubs.asked).To(HaveLen(1))
	w.restartWith(hubs, next)
	hubs.asked = nil
	w.reconcile()
	g.Expect(hubs.asked).To(HaveLen(1), "as for any stream of an operator that starts")
}

func TestAHubOfTheOperatorsImageReadsAllThatTheOperatorWrites(t *testing.T) {
	g := NewWithT(t)
	w, hubs := upgraded(g, 3)
	w.restartWith(hubs, "runnel:0.1.0")
	w.change(withIssuers)
	hubs.versions["127.1.0.1"] = 0
	w.reconcile()
	g.Expect(w.written().Version).To(Equal(2))
	g.Expect(hubs.asked).To(HaveLen(1), "and not before it is sent something")
}

func TestANewStreamGetsTheWholeConfiguration(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	hubs := &hubsByAddress{world: w}
	w.restartWith(hubs, next)
	w.change(withIssuers)
	w.reconcile()
	g.Expect(w.writtenIssuers()).To(Equal([]string{"new", "old"}))
	w.podStarts(t, "shop-hub-1")
	w.reconcile()
	g.Expect(w.writtenIssuers()).To(Equal([]string{"new", "old"}))
}

func TestWhatAHubTellsCountsMoreThanItsImage(t *testing.T) {
	g := NewWithT(t)
	w, hubs := upgraded(g, 1)
	w.restartWith(hubs, "runnel:0.1.0")
	w.change(withIssuers)
	g.Expect(w.reconcile().RequeueAfter).To(BeNumerically("<=", firstRenewal))
	w.reconcile()
	g.Expect(w.written().Version).To(Equal(1))
	w.rolls("shop")
	w.timePasses()
	w.reconcile()
	g.Expect(w.condition("Ready")).To(Equal("False/HubTooOld"))
	g.Expect(w.message("Ready")).To(ContainSubstring("--hub-image"))
}

func TestASilentHubKeepsTheVersionThatItHas(t *testing.T) {
	g := NewWithT(t)
	w, hubs := upgraded(g, 0)
	w.change(withIssuers)
	g.Expect(w.reconcile().RequeueAfter).To(BeNumerically(">", 0))
	g.Expect(w.writtenIssuers()).To(Equal([]string{"old"}))
	g.Expect(w.condition("ConfigLoaded")).To(Equal("False/HubTooOld"))
	g.Expect(w.message("ConfigLoaded")).To(And(ContainSubstring("has not told which version"), ContainSubstring("port 9090")))

	hubs.versions["127.1.0.1"] = 3
	w.timePasses()
	w.reconcile()
	w.reconcile()
	g.Expect(w.writtenIssuers()).To(Equal([]string{"new", "old"}))

	hubs.versions["127.1.0.1"] = 0
	w.restartWith(hubs, next)
	w.reconcile()
	g.Expect(w.writtenIssuers()).To(Equal([]string{"new", "old"}), "it has not become older")
	w.change(func(s *v1alpha1.EventStreamSpec) { s.Limits.ConnectionsPerIdentity = new(int32(5)) })
	w.reconcile()
	g.Expect(w.written().Version).To(Equal(2), "nor newer")
}

func TestTheNextHubGetsTheWholeConfigurationWhenTheOldOneGoes(t *testing.T) {
	g := NewWithT(t)
	w, hubs := upgraded(g, 1)
	w.change(func(s *v1alpha1.EventStreamSpec) {
		withIssuers(s)
		s.ImagePolicy = v1alpha1.ImageFollowOperator
	})
	w.reconcile()
	g.Expect(w.image()).To(Equal(next))
	g.Expect(w.writtenIssuers()).To(Equal([]string{"old"}))
	second := w.podStarts(t, "shop-hub-2")
	second.Status.PodIP = "127.1.0.2"
	w.setReady(t, second)
	hubs.versions["127.1.0.2"] = 3
	w.timePasses()
	w.reconcile()
	g.Expect(w.writtenIssuers()).To(Equal([]string{"old"}), "both read the same document")
	g.Expect(w.condition("Stalled")).To(BeEmpty())
	g.Expect(w.message("ConfigLoaded")).To(ContainSubstring("replaced by a hub of the operator's image"))

	first := &corev1.Pod{}
	w.get("shop-hub-1", first)
	first.Finalizers = []string{"example.com/keep"}
	g.Expect(w.Update(t.Context(), first)).To(Succeed())
	g.Expect(w.Delete(t.Context(), first)).To(Succeed())
	w.rolls("shop")
	w.reconcile()
	g.Expect(w.writtenIssuers()).To(Equal([]string{"new", "old"}))
	w.timePasses()
	w.reconcile()
	w.reconcile()
	g.Expect(w.condition("Ready")).To(Equal("True/Ready"))
}

func TestAHubThatCannotStartForANewerDocumentGetsAnOlderOne(t *testing.T) {
	g := NewWithT(t)
	w, hubs := upgraded(g, 3)
	w.change(withIssuers)
	w.reconcile()
	g.Expect(w.written().Version).To(Equal(2))
	second := w.podStarts(t, "shop-hub-2")
	second.Status.PodIP = "127.1.0.2"
	second.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1}
	g.Expect(w.Client.Status().Update(t.Context(), second)).To(Succeed())
	w.restartWith(hubs, next)
	w.reconcile()
	g.Expect(w.written().Version).To(Equal(2), "it ended for another reason")
	second.Status.ContainerStatuses[0].LastTerminationState.Terminated.ExitCode = 78
	g.Expect(w.Client.Status().Update(t.Context(), second)).To(Succeed())
	w.reconcile()
	g.Expect(w.written().Version).To(Equal(1))
}
