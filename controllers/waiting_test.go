package controllers

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

// acceptedAfter returns how long after a time the stream was accepted.
func (w *trial) acceptedAfter(from time.Time) time.Duration {
	w.g.Expect(w.condition(v1alpha1.ConditionAccepted)).To(Equal("True/Accepted"))
	// Conditions have whole seconds.
	return meta.FindStatusCondition(w.shop().Status.Conditions, v1alpha1.ConditionAccepted).LastTransitionTime.Sub(from.Truncate(time.Second))
}

// looks lets so much time pass that the operator comes back n times.
func (w *trial) looks(n int) {
	for range n {
		w.wait()
		w.reconcile(w.queue[0])
		w.queue = nil
	}
}

func TestANameConflictEndsWithin5SecondsOfTheForeignObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		w := newTrial(g, newServer(g))
		play(w, makes(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop-publish"}}), create)
		g.Expect(w.condition(v1alpha1.ConditionAccepted)).To(Equal("False/NameConflict"))
		w.looks(100)
		from := time.Now()
		play(w, deletes("shop-publish", &corev1.Service{}))
		g.Expect(w.acceptedAfter(from)).To(BeNumerically("<=", 5*time.Second))
	})
}

func TestARefusedChildIsTriedAgainSoonHoweverLongItWasRefused(t *testing.T) {
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	for name, refusal := range map[string]error{
		"by a quota":         apierrors.NewForbidden(deployments, "shop-hub", errors.New("exceeded quota")),
		"by the validation":  apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "shop-hub", nil),
		"by a webhook's 400": apierrors.NewBadRequest("admission webhook \"costs\" denied the request"),
	} {
		bubble(t, name, func(t *testing.T) {
			g := NewWithT(t)
			w := newTrial(g, newServer(g))
			refused := true
			w.api.Admit = func(before, after client.Object) error {
				if _, ok := after.(*appsv1.Deployment); ok && refused {
					return refusal
				}
				return w.admit(before, after)
			}
			play(w, create)
			w.looks(100)
			g.Expect(w.condition(v1alpha1.ConditionAccepted)).To(HavePrefix("False/"))
			refused = false
			from := time.Now()
			w.drain()
			g.Expect(w.acceptedAfter(from)).To(BeNumerically("<=", refusedWait))
		})
	}
}

func TestLooksAtManyStreamsKeepToABudget(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop-publish"}})
	for i := range 1000 {
		w.r.known.unwatched(key(fmt.Sprint("other-", i)))
	}
	g.Expect(w.reconcile().RequeueAfter).To(Equal(1001 * lookPause))
	for i := range 1000 {
		w.r.known.forget(key(fmt.Sprint("other-", i)))
	}
	g.Expect(w.reconcile().RequeueAfter).To(Equal(conflictWait))
	g.Expect(w.Delete(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop-publish"}})).To(Succeed())
	w.reconcile()
	g.Expect(w.r.known.unseen).To(BeEmpty())
}

func TestNoErrorIsBackedOffFromForLong(t *testing.T) {
	g := NewWithT(t)
	limiter := backOff()
	request := reconcile.Request{NamespacedName: key("shop")}
	for range 50 {
		g.Expect(limiter.When(request)).To(BeNumerically("<=", longestBackOff))
	}
}
