package controllers

import (
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	v1alpha1ac "github.com/runnel-dev/runnel/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
)

func TestTheStatusWrittenLastCountsUntilTheCacheShowsIt(t *testing.T) {
	g := NewWithT(t)
	w := &written{}
	w.wrote(v1alpha1ac.EventStream("shop", "team-a").WithUID("u-1").WithResourceVersion("10"), &v1alpha1.EventStreamStatus{Image: "written"})
	read := func(uid, version string) string {
		s := &v1alpha1.EventStream{Status: v1alpha1.EventStreamStatus{Image: "read"}}
		s.UID, s.ResourceVersion = "u-1", version
		if uid != "" {
			s.ObjectMeta = metav1.ObjectMeta{UID: "u-2", ResourceVersion: version}
		}
		w.newest(s)
		return s.Status.Image
	}
	g.Expect(read("", "9")).To(Equal("written"), "the cache is late")
	g.Expect(read("", "10")).To(Equal("read"))
	g.Expect(read("", "9")).To(Equal("read"), "it has shown the write, and is not late again")
	w.wrote(v1alpha1ac.EventStream("shop", "team-a").WithUID("u-1").WithResourceVersion("20"), &v1alpha1.EventStreamStatus{Image: "written"})
	g.Expect(read("u-2", "19")).To(Equal("read"), "it is another stream of the same name")
}

func TestARolloutThatTheCacheDoesNotShowYetCounts(t *testing.T) {
	g := NewWithT(t)
	w := &written{}
	w.applied([]render.Child{{Kind: appsv1.SchemeGroupVersion.WithKind("Deployment"), Meta: metav1ac.ObjectMeta().WithUID("d-1").WithGeneration(2)}})
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{UID: "d-1", Generation: 1}}
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1}
	g.Expect(isRolling(d)).To(BeFalse())
	w.newestDeployment(d)
	g.Expect(isRolling(d)).To(BeTrue())
}

func TestAConditionDoesNotJumpWhenTheCacheIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		w := newTrial(g, newServer(g))
		create(w)
		w.cache.Sync()
		w.cache.Lag, w.cache.Blind = 1000, true
		w.reconcile(key("shop"))
		accepted := func() metav1.Time {
			return meta.FindStatusCondition(w.shop().Status.Conditions, v1alpha1.ConditionAccepted).LastTransitionTime
		}
		before := accepted()
		time.Sleep(time.Minute)
		w.reconcile(key("shop"))
		g.Expect(accepted()).To(Equal(before))
	})
}
