package controllers

import (
	"context"
	"testing"
	"testing/synctest"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
)

// children are the objects of the stream shop that the operator has made, by kind and name.
func (w *trial) children() map[string]client.Object {
	all := map[string]client.Object{}
	for _, o := range w.api.Objects() {
		if _, isPod := o.(*corev1.Pod); !isPod && render.IsChild(o, "shop") {
			all[o.GetObjectKind().GroupVersionKind().Kind+" "+o.GetName()] = o
		}
	}
	return all
}

func (w *trial) uids() map[string]types.UID {
	uids := map[string]types.UID{}
	for name, o := range w.children() {
		uids[name] = o.GetUID()
	}
	return uids
}

// orphans deletes the stream as kubectl delete --cascade=orphan does.
func orphans(w *trial) {
	for _, o := range w.children() {
		o = o.DeepCopyObject().(client.Object)
		o.SetOwnerReferences(nil)
		w.must(w.api.Update(context.Background(), o))
	}
	deletes("shop", &v1alpha1.EventStream{})(w)
}

// restores deletes the stream and what belongs to it, and puts back the children from a backup, as another manager of fields.
// Their owners are as they were, or none.
func restores(owned bool) func(*trial) {
	return func(w *trial) {
		backup := w.children()
		deletes("shop", &v1alpha1.EventStream{})(w)
		for _, o := range w.api.Objects() {
			w.must(w.api.Delete(context.Background(), o))
		}
		for _, o := range backup {
			o = o.DeepCopyObject().(client.Object)
			o.SetUID("")
			o.SetResourceVersion("")
			o.SetManagedFields(nil)
			if !owned {
				o.SetOwnerReferences(nil)
			}
			w.must(w.api.Create(context.Background(), o))
		}
	}
}

func TestOrphansAreAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		w := newTrial(g, newServer(g))
		play(w, create)
		before, pods := w.uids(), w.podNames()
		play(w, func(w *trial) { orphans(w); create(w) })
		g.Expect(w.condition(v1alpha1.ConditionReady)).To(Equal("True/Ready"))
		g.Expect(w.uids()).To(Equal(before), "they are the same objects")
		g.Expect(w.podNames()).To(Equal(pods), "the hub goes on")
		for name, o := range w.children() {
			g.Expect(metav1.IsControlledBy(o, w.shop())).To(BeTrue(), name)
		}
	})
}

// A template's annotation and a node selector are in the backup and no longer in the spec. The API server keeps their
// fields for the client that restored the backup, so they would never be removed.
func TestARestoredBackupIsAdoptedWithItsFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		w := newTrial(g, newServer(g))
		play(w, create, change(func(s *v1alpha1.EventStreamSpec) {
			s.Template = &v1alpha1.HubTemplate{Annotations: map[string]string{"team.example/owner": "me"}, NodeSelector: map[string]string{"disk": "fast"}}
		}))
		play(w, restores(false))
		restored := w.uids()
		g.Expect(restored).To(HaveLen(6))
		play(w, create)
		g.Expect(w.condition(v1alpha1.ConditionReady)).To(Equal("True/Ready"))
		g.Expect(w.uids()).To(Equal(restored))
		d := &appsv1.Deployment{}
		w.must(w.api.Get(context.Background(), key("shop-hub"), d))
		g.Expect(d.Spec.Template.Annotations).NotTo(HaveKey("team.example/owner"))
		g.Expect(d.Spec.Template.Spec.NodeSelector).To(BeEmpty())
	})
}

func TestARestoredBackupThatNamesTheStreamOfBeforeIsCollectedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		w := newTrial(g, newServer(g))
		play(w, create)
		play(w, func(w *trial) { restores(true)(w); create(w) })
		g.Expect(w.condition(v1alpha1.ConditionReady)).To(Equal("True/Ready"))
		for name, o := range w.children() {
			g.Expect(metav1.IsControlledBy(o, w.shop())).To(BeTrue(), name)
		}
	})
}

func TestWhatIsNotAChildOfThisStreamIsNotAdopted(t *testing.T) {
	labels := func(change func(map[string]string)) metav1.ObjectMeta {
		l := map[string]string{render.LabelName: "runnel-hub", render.LabelInstance: "shop", render.LabelManagedBy: render.ManagedBy}
		change(l)
		return metav1.ObjectMeta{Namespace: "team-a", Name: "shop-publish", Labels: l}
	}
	controlled := labels(func(map[string]string) {})
	controlled.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "shop", UID: "d-1", Controller: new(true)}}
	for name, m := range map[string]metav1.ObjectMeta{
		"it has no labels":           {Namespace: "team-a", Name: "shop-publish"},
		"it is another stream's":     labels(func(l map[string]string) { l[render.LabelInstance] = "other" }),
		"it is managed by others":    labels(func(l map[string]string) { l[render.LabelManagedBy] = "Helm" }),
		"it is managed by nobody":    labels(func(l map[string]string) { delete(l, render.LabelManagedBy) }),
		"it is of another program":   labels(func(l map[string]string) { l[render.LabelName] = "shop" }),
		"another object controls it": controlled,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(g, &corev1.Service{ObjectMeta: m})
			w.reconcile()
			g.Expect(w.writes).To(Equal([]string{"apply status"}))
			g.Expect(w.condition("Accepted")).To(Equal("False/NameConflict"))
			accepted := meta.FindStatusCondition(w.stream().Status.Conditions, "Accepted")
			g.Expect(accepted.Message).To(ContainSubstring("Service shop-publish"))
		})
	}
}

// Who keeps the children takes them their controller while the stream is still there. The operator's cache shows that at any time
// before it shows that the stream is being deleted.
func TestOrphansOfAStreamThatIsBeingDeletedAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		w := newTrial(g, newServer(g))
		play(w, create)
		before := w.uids()
		w.cache.Lag = 1000
		deletes("shop", &v1alpha1.EventStream{})(w)
		w.cache.Lag = 0
		for _, o := range w.children() {
			o = o.DeepCopyObject().(client.Object)
			o.SetOwnerReferences(nil)
			w.must(w.api.Update(context.Background(), o))
		}
		w.reconcile(key("shop"))
		for name, o := range w.children() {
			g.Expect(o.GetOwnerReferences()).To(BeEmpty(), name)
		}
		w.drain()
		g.Expect(w.uids()).To(Equal(before))
	})
}

func TestWhatAReplacementOfListsWroteIsRemovedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		w := newTrial(g, newServer(g))
		play(w, create, renumbers)
		d := &appsv1.Deployment{}
		w.must(w.api.Get(context.Background(), key("shop-hub"), d))
		g.Expect(d.Spec.Template.Spec.NodeSelector).To(HaveKey("disk"))
		g.Expect(d.Spec.Template.Spec.Containers[0].Ports).NotTo(ContainElement(HaveField("ContainerPort", BeEquivalentTo(8888))))
		play(w, change(plain))
		w.must(w.api.Get(context.Background(), key("shop-hub"), d))
		g.Expect(d.Spec.Template.Spec.NodeSelector).To(BeEmpty())
	})
}

// renumbers has somebody change a port's number, so that lists are replaced as a whole, while the template changes too.
func renumbers(w *trial) {
	drifts("shop-hub", &appsv1.Deployment{}, func(o client.Object) {
		o.(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Ports[0].ContainerPort = 8888
	})(w)
	change(func(s *v1alpha1.EventStreamSpec) {
		s.Template = &v1alpha1.HubTemplate{NodeSelector: map[string]string{"disk": "fast"}}
	})(w)
}
