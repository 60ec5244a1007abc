package controllers

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/apply"
	"github.com/runnel-dev/runnel/controllers/render"
)

const next = "runnel:0.2.0"

// fleet is a world with several streams that have rolled out.
type fleet struct {
	*world
	streams []string
}

func newFleet(g Gomega, policy v1alpha1.ImagePolicy, most int, others ...string) *fleet {
	f := &fleet{newWorld(g), append([]string{"shop"}, others...)}
	for i, name := range others {
		s := &v1alpha1.EventStream{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: name, UID: types.UID(name), Generation: int64(i)}}
		s.Spec = f.stream().Spec
		g.Expect(f.Create(context.Background(), s)).To(Succeed())
	}
	f.hub = &HubStatus{ConfigHash: "some"}
	f.each(f.work)
	f.each(f.rolls)
	f.operator(policy, most)
	return f
}

// operator is a new one, with another image for hubs.
func (f *fleet) operator(policy v1alpha1.ImagePolicy, most int) {
	f.r = &Reconciler{
		Client: f.Client, Applier: &apply.Applier{Client: f.Client, Direct: f.Client},
		Issuers: f, Hubs: f, Recorder: f.recorder, HubImage: next, ClusterDomain: "cluster.local", ImagePolicy: policy, ConcurrentUpgrades: most,
	}
	f.r.upgrades.free = make(chan event.TypedGenericEvent[struct{}], 1)
}

func (f *fleet) each(do func(name string)) {
	for _, name := range f.streams {
		do(name)
	}
}

func (f *fleet) work(name string) {
	_, err := f.r.Reconcile(context.Background(), reconcile.Request{NamespacedName: key(name)})
	f.g.Expect(err).NotTo(HaveOccurred())
}

func (f *fleet) deployment(name string) *appsv1.Deployment {
	d := &appsv1.Deployment{}
	f.get(render.HubName(name), d)
	return d
}

// upgraded are the streams whose Deployment has the new image.
func (f *fleet) upgraded() []string {
	var names []string
	f.each(func(name string) {
		if hubImage(f.deployment(name)) == next {
			names = append(names, name)
		}
	})
	return names
}

func TestNoMoreStreamsRollAtATimeThanMay(t *testing.T) {
	g := NewWithT(t)
	f := newFleet(g, v1alpha1.ImageFollowOperator, 2, "b", "c", "d", "e")
	for range 3 {
		f.each(f.work)
		g.Expect(f.upgraded()).To(Equal([]string{"shop", "b"}))
	}
	f.operator(v1alpha1.ImageFollowOperator, 2)
	f.work("e")
	f.work("d")
	g.Expect(f.upgraded()).To(HaveLen(2), "an operator that starts anew counts them in the cluster")

	f.rolls("b")
	requests := f.r.upgrades.next(2)
	g.Expect(requests).To(ConsistOf(HaveField("Name", "d"), HaveField("Name", "e")))
	for _, request := range requests {
		f.work(request.Name)
	}
	g.Expect(f.upgraded()).To(HaveLen(3), "one is done, the next one follows")
	g.Expect(f.r.upgrades.next(2)).To(HaveLen(1), "the other one waits again")

	for range f.streams {
		f.each(f.rolls)
		f.each(f.work)
	}
	g.Expect(f.upgraded()).To(HaveLen(5))
	g.Expect(f.r.upgrades.next(5)).To(BeEmpty())
	f.each(func(name string) {
		s := &v1alpha1.EventStream{}
		f.get(name, s)
		g.Expect(s.Status.Image).To(Equal(next))
	})
}

func TestWhatTheCacheDoesNotShowYetCounts(t *testing.T) {
	g := NewWithT(t)
	f := newFleet(g, v1alpha1.ImageFollowOperator, 1, "b")
	u := &f.r.upgrades
	turn, err := u.turn(t.Context(), f, key("shop"), next, 1)
	g.Expect(turn, err).To(BeTrue())
	turn, err = u.turn(t.Context(), f, key("b"), next, 1)
	g.Expect(turn, err).To(BeFalse())
	turn, err = u.turn(t.Context(), f, key("shop"), next, 1)
	g.Expect(turn, err).To(BeTrue(), "whose turn it is, keeps it")

	u.release(key("shop"))
	g.Expect(u.free).To(Receive(), "those that wait are told")
	g.Expect(u.next(1)).To(ConsistOf(HaveField("NamespacedName", key("b"))))
}

// lagging is a cache that sees a Deployment after its list was read.
type lagging struct {
	client.Reader
	sees func()
}

func (l lagging) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	err := l.Reader.List(ctx, list, opts...)
	l.sees()
	return err
}

func TestWhatTheCacheShowsMeanwhileCounts(t *testing.T) {
	g := NewWithT(t)
	f := newFleet(g, v1alpha1.ImageFollowOperator, 1, "b")
	u := &f.r.upgrades
	turn, err := u.turn(t.Context(), f, key("shop"), next, 1)
	g.Expect(turn, err).To(BeTrue())
	turn, err = u.turn(t.Context(), lagging{f, func() {
		d := f.deployment("shop")
		d.Spec.Template.Spec.Containers[0].Image = next
		d.Generation++
		g.Expect(f.Update(t.Context(), d)).To(Succeed())
	}}, key("b"), next, 1)
	g.Expect(turn, err).To(BeFalse())
}

func TestWhoIsCalledAndDoesNotComeLetsTheNextOneGo(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.EventStream){
		"it was suspended":            func(s *v1alpha1.EventStream) { s.Spec.Suspend = true },
		"its spec is not carried out": func(s *v1alpha1.EventStream) { s.Spec.Heartbeat.Interval = "soon" },
		"it shall stay as it is":      func(s *v1alpha1.EventStream) { s.Spec.ImagePolicy = v1alpha1.ImagePinned },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f := newFleet(g, v1alpha1.ImageFollowOperator, 1, "b", "c")
			f.each(f.work)
			f.rolls("shop")
			called := f.r.upgrades.next(1)
			g.Expect(called).To(HaveLen(1))
			s := &v1alpha1.EventStream{}
			f.get(called[0].Name, s)
			change(s)
			g.Expect(f.Update(t.Context(), s)).To(Succeed())
			f.work(called[0].Name)
			g.Expect(f.r.upgrades.free).To(Receive(), "nobody else rolls, whose end would tell")
			f.work(f.r.upgrades.next(1)[0].Name)
			g.Expect(f.upgraded()).To(HaveLen(2))
			f.work(called[0].Name)
			g.Expect(f.r.upgrades.free).NotTo(Receive(), "once is enough")
		})
	}
}

func TestAStreamThatIsLeftInRestGivesUpItsTurn(t *testing.T) {
	g := NewWithT(t)
	f := newFleet(g, v1alpha1.ImageFollowOperator, 1, "b")
	f.fails["Deployment"] = errors.New("the connection was cut")
	_, err := f.r.Reconcile(t.Context(), reconcile.Request{NamespacedName: key("shop")})
	g.Expect(err).To(HaveOccurred())
	delete(f.fails, "Deployment")
	f.change(func(s *v1alpha1.EventStreamSpec) { s.Suspend = true })
	f.work("shop")
	f.work("b")
	g.Expect(f.upgraded()).To(Equal([]string{"b"}))
}

func TestNewStreamsKeepNobodyWaiting(t *testing.T) {
	g := NewWithT(t)
	f := newFleet(g, v1alpha1.ImageFollowOperator, 1, "b")
	s := f.stream()
	s.ObjectMeta = metav1.ObjectMeta{Namespace: "team-a", Name: "new", UID: "new"}
	s.Status = v1alpha1.EventStreamStatus{}
	g.Expect(f.Create(t.Context(), s)).To(Succeed())
	f.work("new")
	f.work("shop")
	g.Expect(f.upgraded()).To(Equal([]string{"shop"}), "there is always a new stream somewhere")
}

func TestARolloutThatIsHeldByHandKeepsNobodyWaiting(t *testing.T) {
	g := NewWithT(t)
	f := newFleet(g, v1alpha1.ImageFollowOperator, 1, "b")
	f.work("shop")
	f.work("b")
	before := f.deployment("shop")
	paused := before.DeepCopy()
	paused.Spec.Paused = true
	g.Expect(f.Update(t.Context(), paused)).To(Succeed())
	g.Expect(rolled().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: paused})).To(BeTrue())
	f.work("b")
	g.Expect(f.upgraded()).To(Equal([]string{"shop", "b"}))
}

func TestWhoFollowsTheOperator(t *testing.T) {
	for name, c := range map[string]struct {
		operator, stream v1alpha1.ImagePolicy
		suspended        bool
		want             string
	}{
		"nobody says":                {"", "", false, "runnel:0.1.0"},
		"the operator says Pinned":   {v1alpha1.ImagePinned, "", false, "runnel:0.1.0"},
		"the operator lets follow":   {v1alpha1.ImageFollowOperator, "", false, next},
		"the stream follows":         {v1alpha1.ImagePinned, v1alpha1.ImageFollowOperator, false, next},
		"the stream does not":        {v1alpha1.ImageFollowOperator, v1alpha1.ImagePinned, false, "runnel:0.1.0"},
		"the stream is left in rest": {v1alpha1.ImageFollowOperator, "", true, "runnel:0.1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f := newFleet(g, c.operator, 1)
			f.change(func(s *v1alpha1.EventStreamSpec) { s.ImagePolicy, s.Suspend = c.stream, c.suspended })
			f.work("shop")
			g.Expect(hubImage(f.deployment("shop"))).To(Equal(c.want))
			g.Expect(f.stream().Status.Image).To(Equal(c.want))
		})
	}
}

func TestANewStreamNeedsNoTurn(t *testing.T) {
	g := NewWithT(t)
	f := newFleet(g, v1alpha1.ImageFollowOperator, 1, "b")
	f.work("shop")
	g.Expect(f.upgraded()).To(Equal([]string{"shop"}))
	s := f.stream()
	s.ObjectMeta = metav1.ObjectMeta{Namespace: "team-a", Name: "new", UID: "new"}
	s.Status = v1alpha1.EventStreamStatus{}
	g.Expect(f.Create(t.Context(), s)).To(Succeed())
	f.work("new")
	g.Expect(hubImage(f.deployment("new"))).To(Equal(next))
}

func TestAnUpgradeThatWasNotWrittenDownIsNotUndone(t *testing.T) {
	g := NewWithT(t)
	f := newFleet(g, v1alpha1.ImageFollowOperator, 1, "b")
	f.work("shop")
	f.rolls("shop")
	f.work("b") // takes the only turn
	s := f.stream()
	s.Status.Image = "runnel:0.1.0" // as if the operator had died before it wrote the status
	g.Expect(f.Client.Status().Update(t.Context(), s)).To(Succeed())
	f.work("shop")
	g.Expect(hubImage(f.deployment("shop"))).To(Equal(next))
	g.Expect(f.stream().Status.Image).To(Equal(next))
}

func TestAStreamThatCannotRollGivesUpItsTurn(t *testing.T) {
	g := NewWithT(t)
	f := newFleet(g, v1alpha1.ImageFollowOperator, 1, "b")
	f.fails["Deployment"] = apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "shop-hub", nil)
	f.work("shop")
	g.Expect(f.stream().Status.Image).To(Equal("runnel:0.1.0"))
	delete(f.fails, "Deployment")
	f.work("b")
	g.Expect(f.upgraded()).To(Equal([]string{"b"}))
	f.work("shop")
	g.Expect(f.upgraded()).To(Equal([]string{"b"}))
	g.Expect(f.Delete(t.Context(), f.stream())).To(Succeed())
	f.work("shop")
	g.Expect(f.r.upgrades.next(1)).To(BeEmpty(), "a deleted stream waits for nothing")
}

func TestATurnIsKeptWhileItMayBeCarriedOut(t *testing.T) {
	g := NewWithT(t)
	f := newFleet(g, v1alpha1.ImageFollowOperator, 1, "b")
	f.fails["Deployment"] = errors.New("the connection was cut")
	_, err := f.r.Reconcile(t.Context(), reconcile.Request{NamespacedName: key("shop")})
	g.Expect(err).To(HaveOccurred())
	delete(f.fails, "Deployment")
	f.work("b")
	g.Expect(f.upgraded()).To(BeEmpty(), "it may have got through")
	f.work("shop")
	g.Expect(f.upgraded()).To(Equal([]string{"shop"}))
}

func TestWhatFreesATurn(t *testing.T) {
	deployment := func(image string, replicas int32) *appsv1.Deployment {
		d := &appsv1.Deployment{Status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: replicas, UpdatedReplicas: 1}}
		d.Generation = 2
		d.Spec.Template.Spec.Containers = []corev1.Container{{Name: render.HubContainer, Image: image}}
		return d
	}
	for name, c := range map[string]struct {
		before, after client.Object
		frees         bool
	}{
		"it begins":                   {deployment("a", 1), deployment("b", 2), false},
		"it goes on":                  {deployment("b", 2), deployment("b", 2), false},
		"it is done":                  {deployment("b", 2), deployment("b", 1), true},
		"nobody saw it in the making": {deployment("a", 1), deployment("b", 1), true},
		"nothing happens":             {deployment("b", 1), deployment("b", 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(rolled().Update(event.UpdateEvent{ObjectOld: c.before, ObjectNew: c.after})).To(Equal(c.frees))
		})
	}
	g := NewWithT(t)
	g.Expect(rolled().Delete(event.DeleteEvent{Object: deployment("b", 2)})).To(BeTrue())
	g.Expect(rolled().Delete(event.DeleteEvent{Object: deployment("b", 1)})).To(BeFalse())
	g.Expect(rolled().Create(event.CreateEvent{Object: deployment("b", 1)})).To(BeFalse())
}
