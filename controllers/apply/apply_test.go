package apply_test

import (
	"context"
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/apply"
	"github.com/runnel-dev/runnel/controllers/render"
)

var owner = &v1alpha1.EventStream{
	ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop", UID: "u-1"},
	Spec: v1alpha1.EventStreamSpec{
		Topics: []v1alpha1.Topic{{Name: "orders"}},
		Auth:   &v1alpha1.Auth{Subscribers: &v1alpha1.SubscriberAuth{Anonymous: &v1alpha1.Anonymous{}}},
	},
}

// cluster is an API server in memory that keeps the documents written to it.
type cluster struct {
	client.Client
	applier *apply.Applier
	applied []map[string]any
	deleted []string
	changes []apply.Change
	// before is called once before a ConfigMap is applied, if it is set.
	before func()
}

func newCluster(g Gomega, objects ...client.Object) *cluster {
	c := &cluster{}
	s := runtime.NewScheme()
	g.Expect(scheme.AddToScheme(s)).To(Succeed())
	g.Expect(v1alpha1.AddToScheme(s)).To(Succeed())
	b := fake.NewClientBuilder().WithScheme(s).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Apply: func(ctx context.Context, w client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			document, err := json.Marshal(o)
			if err != nil {
				return err
			}
			fields := map[string]any{}
			if err := json.Unmarshal(document, &fields); err != nil {
				return err
			}
			if fields["kind"] == "ConfigMap" && c.before != nil {
				c.before()
				c.before = nil
			}
			c.applied = append(c.applied, fields)
			if err := twoPortsOfOneName(ctx, w, fields); err != nil {
				return err
			}
			return w.Apply(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			c.deleted = append(c.deleted, o.GetName())
			return w.Delete(ctx, o, opts...)
		},
	})
	for _, kind := range apply.Kinds() {
		b.WithIndex(kind, "runnel.dev/stray-of", apply.StrayOf)
	}
	c.Client = b.Build()
	c.applier = &apply.Applier{Client: c.Client, Direct: c.Client}
	return c
}

// twoPortsOfOneName refuses what the API server refuses: a Service with a port of the applied name but another number, beside
// which the applied one would be put.
func twoPortsOfOneName(ctx context.Context, w client.Client, fields map[string]any) error {
	var applied corev1.Service
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &applied); err != nil || applied.Kind != "Service" {
		return nil
	}
	live := &corev1.Service{}
	if err := w.Get(ctx, key(applied.Name), live); err != nil {
		return client.IgnoreNotFound(err)
	}
	for _, a := range applied.Spec.Ports {
		for _, b := range live.Spec.Ports {
			if a.Name == b.Name && a.Port != b.Port {
				return apierrors.NewInvalid(schema.GroupKind{Kind: "Service"}, applied.Name, nil)
			}
		}
	}
	return nil
}

func (c *cluster) all(g Gomega, image string) error {
	r, err := render.Resolve(owner)
	g.Expect(err).NotTo(HaveOccurred())
	cfg, err := render.Config(r, nil)
	g.Expect(err).NotTo(HaveOccurred())
	children, err := render.Children(render.Input{Stream: r, Config: cfg, Image: image})
	g.Expect(err).NotTo(HaveOccurred())
	c.applied, c.deleted = nil, nil
	return c.applier.All(context.Background(), owner, children, func(change apply.Change) { c.changes = append(c.changes, change) })
}

func key(name string) client.ObjectKey { return client.ObjectKey{Namespace: "team-a", Name: name} }

// owned makes o a child of the EventStream shop with the given UID.
func owned(o client.Object, name string, ownerUID types.UID) client.Object {
	yes := true
	o.SetNamespace("team-a")
	o.SetName(name)
	o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "runnel.dev/v1alpha1", Kind: "EventStream", Name: "shop", UID: ownerUID, Controller: &yes}})
	return o
}

func TestSettledChildrenCostNoWrite(t *testing.T) {
	g := NewWithT(t)
	c := newCluster(g)
	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	g.Expect(c.applied).To(HaveLen(6))
	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	g.Expect(c.applied).To(BeEmpty())
}

func TestChildrenBelongToTheStream(t *testing.T) {
	g := NewWithT(t)
	c := newCluster(g)
	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	d := &appsv1.Deployment{}
	g.Expect(c.Get(t.Context(), key("shop-hub"), d)).To(Succeed())
	ref := metav1.GetControllerOf(d)
	g.Expect(ref).NotTo(BeNil())
	g.Expect(ref.UID).To(Equal(owner.UID))
	g.Expect(d.Annotations).To(HaveKey(apply.HashAnnotation))
}

func TestOnlyWhatChangedIsWritten(t *testing.T) {
	g := NewWithT(t)
	c := newCluster(g)
	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	g.Expect(c.all(g, "runnel:0.2.0")).To(Succeed())
	g.Expect(c.applied).To(HaveLen(1))
	g.Expect(c.applied[0]).To(HaveKeyWithValue("kind", "Deployment"))
}

func TestDriftIsRepaired(t *testing.T) {
	g := NewWithT(t)
	c := newCluster(g)
	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())

	svc := &corev1.Service{}
	g.Expect(c.Get(t.Context(), key("shop-publish"), svc)).To(Succeed())
	svc.Spec.Selector["app.kubernetes.io/instance"] = "other"
	g.Expect(c.Update(t.Context(), svc)).To(Succeed())
	g.Expect(c.Delete(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop-hub"}})).To(Succeed())

	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	g.Expect(c.applied).To(HaveLen(2))
	g.Expect(c.Get(t.Context(), key("shop-publish"), svc)).To(Succeed())
	g.Expect(svc.Spec.Selector).To(Equal(render.Selector("shop")))
	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	g.Expect(c.applied).To(BeEmpty())
}

func TestALabelThatNoPodHasIsTakenOutOfASelector(t *testing.T) {
	g := NewWithT(t)
	c := newCluster(g)
	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	svc := &corev1.Service{}
	g.Expect(c.Get(t.Context(), key("shop-publish"), svc)).To(Succeed())
	svc.Spec.Selector["somebody"] = "elses"
	g.Expect(c.Update(t.Context(), svc)).To(Succeed())

	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	g.Expect(c.Get(t.Context(), key("shop-publish"), svc)).To(Succeed())
	g.Expect(svc.Spec.Selector).To(Equal(render.Selector("shop")), "it would lead nowhere")
	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	g.Expect(c.applied).To(BeEmpty())
}

func TestAChangedKeyOfAListIsRepaired(t *testing.T) {
	g := NewWithT(t)
	c := newCluster(g)
	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	svc := &corev1.Service{}
	g.Expect(c.Get(t.Context(), key("shop-publish"), svc)).To(Succeed())
	svc.Spec.Ports[0].Port = 81
	g.Expect(c.Update(t.Context(), svc)).To(Succeed())

	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	g.Expect(c.Get(t.Context(), key("shop-publish"), svc)).To(Succeed())
	g.Expect(svc.Spec.Ports).To(ConsistOf(HaveField("Port", BeEquivalentTo(80))))
	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	g.Expect(c.applied).To(BeEmpty())
}

func TestForeignAdditionsStay(t *testing.T) {
	g := NewWithT(t)
	c := newCluster(g)
	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	d := &appsv1.Deployment{}
	g.Expect(c.Get(t.Context(), key("shop-hub"), d)).To(Succeed())
	d.Spec.Template.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
	g.Expect(c.Update(t.Context(), d)).To(Succeed())

	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	g.Expect(c.applied).To(BeEmpty(), "a foreign annotation is no drift")
	g.Expect(c.all(g, "runnel:0.2.0")).To(Succeed())
	g.Expect(c.Get(t.Context(), key("shop-hub"), d)).To(Succeed())
	g.Expect(d.Spec.Template.Annotations).To(HaveKey("kubectl.kubernetes.io/restartedAt"))
}

func TestForeignObjectsAreNeverTouched(t *testing.T) {
	g := NewWithT(t)
	c := newCluster(g, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop-publish"}})
	err := c.all(g, "runnel:0.1.0")
	var conflict *apply.ConflictError
	g.Expect(err).To(BeAssignableToTypeOf(conflict))
	g.Expect(err.Error()).To(ContainSubstring("Service shop-publish"))
	g.Expect(c.applied).To(BeEmpty(), "nothing is written beside it")
}

func TestChildrenOfADeletedStreamOfTheSameNameAreWaitedFor(t *testing.T) {
	g := NewWithT(t)
	c := newCluster(g, owned(&corev1.ConfigMap{}, "shop-hub", "u-0"))
	err := c.all(g, "runnel:0.1.0")
	var leftover *apply.LeftoverError
	g.Expect(err).To(BeAssignableToTypeOf(leftover))
	g.Expect(err.Error()).To(ContainSubstring("ConfigMap shop-hub"))
	g.Expect(c.applied).To(BeEmpty())
}

func TestAnOrphanThatIsBeingDeletedIsWaitedFor(t *testing.T) {
	g := NewWithT(t)
	now := metav1.Now()
	c := newCluster(g, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team-a", Name: "shop-hub", DeletionTimestamp: &now, Finalizers: []string{"example.com/keep"},
		Labels: map[string]string{render.LabelName: "runnel-hub", render.LabelInstance: "shop", render.LabelManagedBy: render.ManagedBy},
	}})
	err := c.all(g, "runnel:0.1.0")
	var leftover *apply.LeftoverError
	g.Expect(err).To(BeAssignableToTypeOf(leftover))
	g.Expect(err.Error()).To(ContainSubstring("ConfigMap shop-hub"))
	g.Expect(c.applied).To(BeEmpty())
}

// Somebody makes an object of a child's name after it was seen that there is none.
func TestTheFirstApplyIsNotForced(t *testing.T) {
	g := NewWithT(t)
	c := newCluster(g)
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop-hub"}, Data: map[string]string{render.ConfigKey: "theirs"}}
	c.before = func() { g.Expect(c.Create(t.Context(), theirs.DeepCopy())).To(Succeed()) }
	g.Expect(c.all(g, "runnel:0.1.0")).To(MatchError(apierrors.IsConflict, "IsConflict"))
	live := &corev1.ConfigMap{}
	g.Expect(c.Get(t.Context(), key("shop-hub"), live)).To(Succeed())
	g.Expect(live.Data).To(Equal(theirs.Data))
	g.Expect(live.OwnerReferences).To(BeEmpty())
	var conflict *apply.ConflictError
	g.Expect(c.all(g, "runnel:0.1.0")).To(BeAssignableToTypeOf(conflict))
}

func TestLaterAppliesCarryTheUID(t *testing.T) {
	g := NewWithT(t)
	cm := owned(&corev1.ConfigMap{}, "shop-hub", "u-1")
	cm.SetUID("cm-1")
	c := newCluster(g, cm)
	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	for _, fields := range c.applied {
		metadata := fields["metadata"].(map[string]any)
		if fields["kind"] == "ConfigMap" {
			g.Expect(metadata).To(HaveKeyWithValue("uid", "cm-1"))
		} else {
			g.Expect(metadata).NotTo(HaveKey("uid"))
		}
	}
}

func TestChildrenNoLongerWantedAreDeleted(t *testing.T) {
	g := NewWithT(t)
	c := newCluster(g,
		owned(&corev1.Service{}, "shop-old", "u-1"),
		owned(&corev1.Service{}, "shop-others", "u-0"),
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "foreign"}})
	g.Expect(c.all(g, "runnel:0.1.0")).To(Succeed())
	g.Expect(c.deleted).To(Equal([]string{"shop-old"}))
}
