package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
)

// starts makes the pod that shall replace the hub's; it is not ready.
func (w *world) starts(t *testing.T, status corev1.PodStatus) {
	pod := &corev1.Pod{Status: status}
	pod.Namespace, pod.Name, pod.Labels = "team-a", "shop-hub-2", render.Selector("shop")
	w.g.Expect(w.Create(t.Context(), pod)).To(Succeed())
}

func TestARolloutThatIsStuckSaysWhyAndLeavesTheOldHubServing(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.change(func(s *v1alpha1.EventStreamSpec) {
		s.Template = &v1alpha1.HubTemplate{NodeSelector: map[string]string{"disk": "fast"}}
	})
	w.reconcile()
	g.Expect(w.condition("Available")).To(Equal("True/Available"))
	g.Expect(w.condition("Reconciling")).To(Equal("True/Progressing"))
	w.starts(t, corev1.PodStatus{Conditions: []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes",
	}}})
	w.reconcile()
	g.Expect(w.condition("Available")).To(Equal("True/Available"))
	g.Expect(w.condition("ConfigLoaded")).To(Equal("True/ConfigLoaded"))
	g.Expect(w.condition("Ready")).To(Equal("False/Progressing"))
	s := w.stream()
	g.Expect(s.Status.Conditions).To(ContainElement(And(HaveField("Type", "Ready"), HaveField("Message", ContainSubstring("finds no node: 0/3 nodes")))))
	g.Expect([]int32{s.Status.Replicas, s.Status.ReadyReplicas}).To(Equal([]int32{2, 1}))
	g.Expect(w.events()).To(ConsistOf(HavePrefix("Normal RolloutStarted")))
}

func TestAHubThatServesOnItsWayOutCounts(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	pod := &corev1.Pod{}
	w.get("shop-hub-1", pod)
	pod.Finalizers = []string{"example.com/keep"}
	g.Expect(w.Update(t.Context(), pod)).To(Succeed())
	g.Expect(w.Delete(t.Context(), pod)).To(Succeed())
	w.starts(t, corev1.PodStatus{})
	w.reconcile()
	g.Expect(w.condition("Available")).To(Equal("True/Available"), "it serves until another has taken over")
	g.Expect(w.condition("ConfigLoaded")).To(Equal("True/ConfigLoaded"))
	g.Expect(w.condition("Ready")).To(Equal("False/Progressing"))
	s := w.stream()
	g.Expect([]int32{s.Status.Replicas, s.Status.ReadyReplicas}).To(Equal([]int32{1, 0}))

	w.hub.ConfigHash = "of before"
	w.r.known.forget(key("shop"))
	w.reconcile()
	g.Expect(w.writes).To(Equal([]string{"apply status"}), "its kubelet brings it no file any more")
}

func TestWhatAHubSaysOfItself(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.r.known.forget(key("shop"))
	w.hub.RestartNeeded = "tls is new"
	w.reconcile()
	g.Expect(w.condition("ConfigLoaded")).To(Equal("False/RestartNeeded"))
	w.hub.RestartNeeded, w.hub.WatchError = "", "too many open files"
	w.timePasses()
	g.Expect(w.reconcile().RequeueAfter).To(Equal(confirmationAge), "that it mends, nobody tells")
	g.Expect(w.condition("ConfigLoaded")).To(Equal("True/ConfigLoaded"))
	g.Expect(w.stream().Status.Conditions).To(ContainElement(HaveField("Message", ContainSubstring("shop-hub-1: too many open files"))))
	w.reconcile()
	g.Expect(w.writes).To(BeEmpty(), "it says so as long as it is so")
	w.hub.WatchError = ""
	w.reconcile()
	g.Expect(w.stream().Status.Conditions).NotTo(ContainElement(HaveField("Message", ContainSubstring("too many open files"))))
}
