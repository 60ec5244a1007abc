package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

// podStarts makes a pod of the stream whose process runs and is not ready.
func (w *world) podStarts(t *testing.T, name string) *corev1.Pod {
	pod := &corev1.Pod{Status: corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: "127.1.0.1",
		ContainerStatuses: []corev1.ContainerStatus{{Name: render.HubContainer, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
	}}
	pod.Namespace, pod.Name, pod.UID, pod.Labels = "team-a", name, types.UID("uid of "+name), render.Selector("shop")
	pod.Finalizers = []string{"example.com/keep"}
	w.g.Expect(w.Create(t.Context(), pod)).To(Succeed())
	return pod
}

func (w *world) setReady(t *testing.T, pod *corev1.Pod) {
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	w.g.Expect(w.Client.Status().Update(t.Context(), pod)).To(Succeed())
}

func TestTheOnlyPodIsNamedAsTheFirstUntilItIsReady(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.reconcile()
	g.Expect(w.config().Peers.First).To(BeEmpty(), "there is no pod yet")
	pod := w.podStarts(t, "shop-hub-1")
	w.reconcile()
	g.Expect(w.config().Peers.First).To(Equal("uid of shop-hub-1"))

	w.hub = &HubStatus{ConfigHash: config.Hash(w.config()), Role: "starting"}
	w.timePasses()
	w.reconcile()
	g.Expect(w.writes).To(ContainElement(HavePrefix("patch status of shop-hub-1")), "its file may not say so yet")
	w.hub.Role = "leading"
	w.reconcile()
	g.Expect(w.writes).To(BeEmpty(), "it has begun")

	hash := w.stream().Status.ConfigHash
	w.setReady(t, pod)
	w.rolls("shop")
	w.reconcile()
	g.Expect(w.config().Peers.First).To(BeEmpty(), "from now on it has a history")
	g.Expect(w.condition("Ready")).To(Equal("True/Ready"), "it need not load that")
	g.Expect(w.stream().Status.ConfigHash).To(Equal(hash))
	w.reconcile()
	g.Expect(w.writes).To(BeEmpty())
}

func TestNoPodIsNamedAsTheFirstBesideAnother(t *testing.T) {
	for name, other := range map[string]func(t *testing.T, w *world, old *corev1.Pod){
		"that is ready":          func(t *testing.T, w *world, old *corev1.Pod) { w.setReady(t, old) },
		"that is starting":       func(*testing.T, *world, *corev1.Pod) {},
		"that is on its way out": func(t *testing.T, w *world, old *corev1.Pod) { w.g.Expect(w.Delete(t.Context(), old)).To(Succeed()) },
		"whose process never ran": func(t *testing.T, w *world, old *corev1.Pod) {
			old.Status = corev1.PodStatus{Phase: corev1.PodPending}
			w.g.Expect(w.Client.Status().Update(t.Context(), old)).To(Succeed())
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(g)
			w.reconcile()
			old := w.podStarts(t, "shop-hub-1")
			w.reconcile()
			g.Expect(w.config().Peers.First).NotTo(BeEmpty())
			w.podStarts(t, "shop-hub-2")
			other(t, w, old)
			w.reconcile()
			g.Expect(w.config().Peers.First).To(BeEmpty())
		})
	}
}

func TestAPodThatIsAloneAgainIsNamedAsTheFirst(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.reconcile()
	old := w.podStarts(t, "shop-hub-1")
	w.podStarts(t, "shop-hub-2")
	w.reconcile()
	g.Expect(w.config().Peers.First).To(BeEmpty())
	old.Status.Phase = corev1.PodFailed // evicted: its process is gone, and its object stays
	g.Expect(w.Client.Status().Update(t.Context(), old)).To(Succeed())
	w.reconcile()
	g.Expect(w.config().Peers.First).To(Equal("uid of shop-hub-2"))
}
