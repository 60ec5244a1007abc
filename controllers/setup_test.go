package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/apply"
	"github.com/runnel-dev/runnel/controllers/issuer"
)

func TestTheCacheHoldsNothingOfOthers(t *testing.T) {
	g := NewWithT(t)
	o := CacheOptions([]string{"a", "b"})
	g.Expect(o.ReaderFailOnMissingInformer).To(BeTrue())
	g.Expect(o.DefaultNamespaces).To(And(HaveKey("a"), HaveKey("b"), HaveLen(2)))
	g.Expect(o.ByObject).To(HaveLen(len(apply.Kinds()) + 1))
	for kind, by := range o.ByObject {
		g.Expect(by.Label.Matches(labels.Set{"app.kubernetes.io/managed-by": "runnel"})).To(BeTrue(), "%T", kind)
		g.Expect(by.Label.Matches(labels.Set{"app.kubernetes.io/managed-by": "Helm"})).To(BeFalse(), "%T", kind)
	}
	g.Expect(CacheOptions(nil).DefaultNamespaces).To(BeNil(), "all namespaces")
}

func TestNudgesAreNoNews(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}}}
	now := metav1.Now()
	for name, c := range map[string]struct {
		change func(*corev1.Pod)
		news   bool
	}{
		"an annotation": {func(p *corev1.Pod) { p.Annotations = map[string]string{nudgeAnnotation: "x"} }, false},
		"its address":   {func(p *corev1.Pod) { p.Status.PodIP = "127.0.0.1" }, true},
		"its labels":    {func(p *corev1.Pod) { p.Labels = nil }, true},
		"its deletion":  {func(p *corev1.Pod) { p.DeletionTimestamp = &now }, true},
	} {
		t.Run(name, func(t *testing.T) {
			changed := pod.DeepCopy()
			c.change(changed)
			NewWithT(t).Expect(podNews().Update(event.UpdateEvent{ObjectOld: pod, ObjectNew: changed})).To(Equal(c.news))
		})
	}
}

func TestEveryStreamHearsOfNewKeys(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	other := &v1alpha1.EventStream{ObjectMeta: metav1.ObjectMeta{Namespace: "team-b", Name: "news"}}
	g.Expect(w.Create(t.Context(), other)).To(Succeed())
	requests := w.r.everyStream(t.Context(), issuer.State{})
	g.Expect(requests).To(ConsistOf(HaveField("Name", "shop"), HaveField("Name", "news")))
}

func TestAPodLeadsToItsStream(t *testing.T) {
	g := NewWithT(t)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Labels: map[string]string{"app.kubernetes.io/instance": "shop"}}}
	g.Expect(podStream(t.Context(), pod)).To(ConsistOf(HaveField("NamespacedName", key("shop"))))
	g.Expect(podStream(t.Context(), &corev1.Pod{})).To(BeEmpty())
}
