package controllers

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

// ready makes a world whose stream serves.
func ready(g Gomega) *world {
	w := newWorld(g)
	w.reconcile()
	w.hubRuns()
	w.reconcile()
	g.Expect(w.condition("Ready")).To(Equal("True/Ready"))
	w.events()
	return w
}

func TestAStreamBecomesReady(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.reconcile()
	g.Expect(w.writes).To(Equal([]string{
		"apply ServiceAccount shop-hub", "apply ConfigMap shop-hub",
		"apply Service shop-subscribe", "apply Service shop-publish", "apply Service shop-hub",
		"apply Deployment shop-hub", "apply status",
	}))
	g.Expect(w.condition("Ready")).To(Equal("False/Progressing"))
	g.Expect(w.condition("Reconciling")).To(Equal("True/Progressing"))
	g.Expect(w.config().Auth.Issuers).To(ConsistOf(HaveField("URL", w.issuers.Issuers[0].URL)))

	w.hubRuns()
	w.reconcile()
	g.Expect(w.condition("Ready")).To(Equal("True/Ready"))
	g.Expect(w.condition("Reconciling")).To(BeEmpty())
	g.Expect(w.stream().Status.ConfigHash).To(Equal(w.hub.ConfigHash))
	g.Expect(w.events()).To(ConsistOf(
		HavePrefix("Normal Accepted"), HavePrefix("Normal Available"), HavePrefix("Normal ConfigLoaded")))
}

func TestASettledStreamCostsNothing(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.asked = 0
	for range 3 {
		g.Expect(w.reconcile()).To(Equal(reconcile.Result{}))
		g.Expect(w.writes).To(BeEmpty())
	}
	g.Expect(w.asked).To(BeZero(), "a hub that runs the configuration is not asked again")
	g.Expect(w.events()).To(BeEmpty())

	w.r.known.forget(key("shop")) // as a restart of the operator does
	w.reconcile()
	g.Expect(w.writes).To(BeEmpty())
	g.Expect(w.asked).To(Equal(1))
}

func TestDriftIsRepaired(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	svc := &corev1.Service{}
	w.get("shop-subscribe", svc)
	svc.Spec.Selector = map[string]string{"app": "other"}
	g.Expect(w.Update(t.Context(), svc)).To(Succeed())
	w.reconcile()
	g.Expect(w.writes).To(Equal([]string{"apply Service shop-subscribe"}))
	w.get("shop-subscribe", svc)
	g.Expect(svc.Spec.Selector).To(HaveKeyWithValue("app.kubernetes.io/instance", "shop"))
}

func TestAChangeReloadsInTheRunningHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		w := ready(g)
		w.change(func(s *v1alpha1.EventStreamSpec) { s.Topics = append(s.Topics, v1alpha1.Topic{Name: "prices.*"}) })
		w.asked = 0
		result := w.reconcile()
		hash := config.Hash(w.config())
		g.Expect(w.asked).To(BeZero(), "it is known to run what was before")
		g.Expect(w.writes).To(Equal([]string{
			"apply ConfigMap shop-hub",
			`patch status of shop-hub-1: {"metadata":{"annotations":{"runnel.dev/config-hash":"` + hash + `"},"uid":"p-1"}}`,
		}), "the Deployment is left alone, the kubelet is told, and the hub has a moment to take it up")
		g.Expect(result.RequeueAfter).To(Equal(firstRenewal))

		w.reconcile()
		g.Expect(w.writes).To(BeEmpty(), "it is nudged again only after a while")
		w.hubReloads()
		g.Expect(w.reconcile()).To(Equal(reconcile.Result{}))
		g.Expect(w.writes).To(Equal([]string{"apply status"}), "one status for a change")
		g.Expect(w.condition("Ready")).To(Equal("True/Ready"))
		g.Expect(w.condition("ConfigLoaded")).To(Equal("True/ConfigLoaded"))
		g.Expect(w.events()).To(ConsistOf(HavePrefix("Normal Reloading")), "it was loaded before, and is")
	})
}

func TestAHubThatTakesItsTimeIsSpokenOf(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.change(func(s *v1alpha1.EventStreamSpec) { s.Topics = append(s.Topics, v1alpha1.Topic{Name: "prices.*"}) })
	w.reconcile()
	hash := config.Hash(w.config())
	w.timePasses()
	result := w.reconcile()
	g.Expect(w.writes).To(ConsistOf(ContainSubstring(hash+".1"), Equal("apply status")))
	g.Expect(w.condition("Ready")).To(Equal("False/Reloading"))
	g.Expect(result.RequeueAfter).To(BeNumerically(">", 0))

	w.hubReloads()
	g.Expect(w.reconcile()).To(Equal(reconcile.Result{}))
	g.Expect(w.condition("Ready")).To(Equal("True/Ready"))
	g.Expect(w.events()).To(HaveExactElements(
		And(HavePrefix("Normal Reloading"), ContainSubstring(hash)), And(HavePrefix("Normal ConfigLoaded"), ContainSubstring(hash))))
}

func TestWhatElseIsWrongIsSaidAtOnce(t *testing.T) {
	for what, harm := range map[string]func(*world){
		"no hub is ready": func(w *world) {
			pod := &corev1.Pod{}
			w.get("shop-hub-1", pod)
			pod.Status.Conditions[0].Status = corev1.ConditionFalse
			w.g.Expect(w.Client.Status().Update(t.Context(), pod)).To(Succeed())
		},
		"the template too is new": func(w *world) {
			d := &appsv1.Deployment{}
			w.get("shop-hub", d)
			d.Generation++
			w.g.Expect(w.Update(t.Context(), d)).To(Succeed())
		},
	} {
		t.Run(what, func(t *testing.T) {
			g := NewWithT(t)
			w := ready(g)
			w.change(func(s *v1alpha1.EventStreamSpec) { s.Heartbeat.Interval = "20s" })
			harm(w)
			w.reconcile()
			g.Expect(w.writes).To(ContainElement("apply status"))
		})
	}
}

func TestAHubThatRefusesSaysWhy(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.change(func(s *v1alpha1.EventStreamSpec) { s.Heartbeat.Interval = "20s" })
	w.reconcile()
	w.hub.ConfigError = "heartbeat.interval: is not known"
	w.reconcile()
	g.Expect(w.condition("ConfigLoaded")).To(Equal("False/ConfigRefused"))
	g.Expect(w.condition("Ready")).To(Equal("False/ConfigRefused"))
	g.Expect(w.events()).To(HaveExactElements(
		HavePrefix("Normal Reloading"), And(HavePrefix("Warning ConfigRefused"), ContainSubstring("heartbeat.interval"))))
}

func TestReadyStandsWhileAHubCannotBeAsked(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.r.known.forget(key("shop"))
	w.hub = nil
	result := w.reconcile()
	g.Expect(w.condition("ConfigLoaded")).To(Equal("Unknown/Unknown"))
	g.Expect(w.condition("Ready")).To(Equal("True/Ready"))
	g.Expect(result.RequeueAfter).To(BeNumerically(">", 0))
}

func TestARestartedHubIsAskedAnew(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	pod := &corev1.Pod{}
	w.get("shop-hub-1", pod)
	pod.Status.ContainerStatuses[0].ContainerID = "c-2"
	g.Expect(w.Client.Status().Update(t.Context(), pod)).To(Succeed())
	w.hub.ConfigHash = "another"
	w.reconcile()
	g.Expect(w.condition("ConfigLoaded")).To(Equal("False/Reloading"))
}

func TestWhatRanGoesOnWhenTheSpecContradictsItself(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	before := w.config()
	huge := resource.MustParse("4Gi")
	w.change(func(s *v1alpha1.EventStreamSpec) { s.Retention.Bytes = &huge })
	g.Expect(w.reconcile()).To(Equal(reconcile.Result{}), "only a new spec helps")
	g.Expect(w.writes).To(Equal([]string{"apply status"}))
	g.Expect(w.config()).To(Equal(before))
	g.Expect(w.condition("Stalled")).To(Equal("True/Invalid"))
	g.Expect(w.condition("Available")).To(Equal("True/Available"))
	g.Expect(w.stream().Status.Address).NotTo(BeNil())

	w.change(func(s *v1alpha1.EventStreamSpec) { s.Retention.Bytes = nil })
	w.reconcile()
	g.Expect(w.condition("Ready")).To(Equal("True/Ready"))
	g.Expect(w.condition("Stalled")).To(BeEmpty())
}

func TestANameConflictIsNamedAndEnds(t *testing.T) {
	g := NewWithT(t)
	foreign := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop-publish"}}
	w := newWorld(g, foreign)
	g.Expect(w.reconcile().RequeueAfter).To(Equal(conflictWait))
	g.Expect(w.writes).To(Equal([]string{"apply status"}))
	g.Expect(w.condition("Accepted")).To(Equal("False/NameConflict"))
	g.Expect(w.stream().Status.Address).To(BeNil(), "that address is somebody else's")
	g.Expect(w.events()).To(ConsistOf(
		And(HavePrefix("Warning NameConflict"), ContainSubstring("Service shop-publish")), HavePrefix("Warning Unavailable")))

	g.Expect(w.Delete(t.Context(), foreign)).To(Succeed())
	w.reconcile()
	g.Expect(w.condition("Accepted")).To(Equal("True/Accepted"))
}

func TestASuspendedStreamIsLeftAlone(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	before := w.config()
	w.change(func(s *v1alpha1.EventStreamSpec) { s.Suspend, s.Heartbeat.Interval = true, "20s" })
	w.reconcile()
	g.Expect(w.writes).To(Equal([]string{"apply status"}))
	g.Expect(w.config()).To(Equal(before))
	g.Expect(w.condition("Ready")).To(Equal("Unknown/Suspended"))
	g.Expect(w.condition("Available")).To(Equal("True/Available"))

	w.change(func(s *v1alpha1.EventStreamSpec) { s.Suspend = false })
	w.reconcile()
	w.hubReloads()
	w.reconcile()
	g.Expect(w.config().Heartbeat.Interval.D()).To(Equal(20 * time.Second))
	g.Expect(w.condition("Ready")).To(Equal("True/Ready"))
}

func TestADeletedStreamIsLeftToTheGarbageCollector(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	s := w.stream()
	s.Finalizers = []string{"example.com/keep"}
	g.Expect(w.Update(t.Context(), s)).To(Succeed())
	g.Expect(w.Delete(t.Context(), s)).To(Succeed())
	g.Expect(w.Delete(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop-hub"}})).To(Succeed())
	w.reconcile()
	g.Expect(w.writes).To(BeEmpty())
}

func TestAStreamKeepsItsImage(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.r.HubImage = "runnel:0.2.0"
	w.reconcile()
	g.Expect(w.writes).To(BeEmpty(), "a new operator restarts no hub")

	d := &appsv1.Deployment{}
	w.get("shop-hub", d)
	g.Expect(d.Spec.Template.Spec.Containers[0].Image).To(Equal("runnel:0.1.0"))
	g.Expect(w.Delete(t.Context(), d)).To(Succeed())
	w.reconcile()
	w.get("shop-hub", d)
	g.Expect(d.Spec.Template.Spec.Containers[0].Image).To(Equal("runnel:0.2.0"), "what is gone pins nothing")
}

func TestAChildThatTheAPIServerRefusesIsNamed(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.fails["Deployment"] = apierrors.NewForbidden(schema.GroupResource{Group: "apps", Resource: "deployments"}, "shop-hub", errors.New("exceeded quota"))
	g.Expect(w.reconcile().RequeueAfter).To(Equal(refusedWait))
	g.Expect(w.condition("Accepted")).To(Equal("False/Refused"))

	w.fails["Deployment"] = apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "shop-hub", nil)
	g.Expect(w.reconcile().RequeueAfter).To(Equal(refusedWait), "what stands against it may go")
	g.Expect(w.condition("Stalled")).To(Equal("True/Invalid"))

	delete(w.fails, "Deployment")
	w.reconcile()
	g.Expect(w.condition("Accepted")).To(Equal("True/Accepted"))
}

// A ValidatingAdmissionPolicy that gives no reason of its own answers 422, as the API server's validation does, but names no field.
func TestWhatAPolicyDeniesIsTriedAgain(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	denied := apierrors.NewForbidden(schema.GroupResource{Group: "apps", Resource: "deployments"}, "shop-hub", errors.New("ValidatingAdmissionPolicy 'cost-center' denied request"))
	denied.ErrStatus.Reason, denied.ErrStatus.Code = metav1.StatusReasonInvalid, 422
	denied.ErrStatus.Details.Causes = []metav1.StatusCause{{Message: "ValidatingAdmissionPolicy 'cost-center' denied request"}}
	w.fails["Deployment"] = denied
	g.Expect(w.reconcile().RequeueAfter).To(Equal(refusedWait), "a policy may change without the stream")
	g.Expect(w.condition("Accepted")).To(Equal("False/Refused"))
	g.Expect(w.condition("Stalled")).To(BeEmpty())
}

func TestAStreamInANamespaceThatGoesIsLeftAlone(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	going := apierrors.NewForbidden(schema.GroupResource{Resource: "serviceaccounts"}, "shop-hub", errors.New("namespace team-a is being terminated"))
	going.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	w.fails["ServiceAccount"] = going
	g.Expect(w.reconcile()).To(Equal(reconcile.Result{}))
	g.Expect(w.writes).To(Equal([]string{"apply ServiceAccount shop-hub"}))
	g.Expect(w.events()).To(BeEmpty())
}

func TestAHubMayTakeUpItsConfigurationWhenTheTemplateIsRefused(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.fails["Deployment"] = apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "shop-hub", nil)
	w.change(func(s *v1alpha1.EventStreamSpec) {
		s.Heartbeat.Interval, s.Template = "20s", &v1alpha1.HubTemplate{NodeSelector: map[string]string{"bad key!": ""}}
	})
	w.reconcile()
	w.hubReloads()
	w.reconcile()
	g.Expect(w.condition("Accepted")).To(Equal("False/Invalid"))
	g.Expect(w.condition("ConfigLoaded")).To(Equal("True/ConfigLoaded"))
	g.Expect(w.stream().Status.ConfigHash).To(Equal(w.hub.ConfigHash))
}

func TestPodsThatEndedOrDrainAreNotCounted(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	evicted, draining := &corev1.Pod{}, &corev1.Pod{}
	evicted.Name, evicted.Status.Phase = "evicted", corev1.PodFailed
	draining.Name, draining.Finalizers = "draining", []string{"example.com/keep"}
	for _, pod := range []*corev1.Pod{evicted, draining} {
		pod.Namespace, pod.Labels = "team-a", render.Selector("shop")
		g.Expect(w.Create(t.Context(), pod)).To(Succeed())
	}
	g.Expect(w.Delete(t.Context(), draining)).To(Succeed())
	w.reconcile()
	g.Expect(w.stream().Status.Replicas).To(BeEquivalentTo(1))
	g.Expect(w.writes).To(BeEmpty())
}

func TestAChangeThatWasAppliedAndNotRecordedIsNotUndoneByASpecThatCannotBeCarriedOut(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	before := w.stream().Status.ConfigHash
	w.change(func(s *v1alpha1.EventStreamSpec) { s.Heartbeat.Interval = "20s" })
	w.reconcile()
	w.hubReloads()
	s := w.stream()
	s.Status.ConfigHash = before // as if the operator had died before it wrote the status
	g.Expect(w.Client.Status().Update(t.Context(), s)).To(Succeed())
	w.before = nil
	huge := resource.MustParse("4Gi")
	w.change(func(s *v1alpha1.EventStreamSpec) { s.Retention.Bytes = &huge })
	g.Expect(w.reconcile()).To(Equal(reconcile.Result{}), "the hub runs what was written, and is not nudged for ever")
	g.Expect(w.writes).To(Equal([]string{"apply status"}))
	g.Expect(w.condition("ConfigLoaded")).To(Equal("True/ConfigLoaded"))
	g.Expect(w.stream().Status.ConfigHash).To(Equal(w.hub.ConfigHash))
}
