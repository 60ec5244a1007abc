package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/apply"
	"github.com/runnel-dev/runnel/controllers/issuer"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/controllers/rules"
	"github.com/runnel-dev/runnel/hub/config"
)

// world is a cluster in memory with one stream, shop in team-a, and its reconciler. The test plays the cluster's controllers,
// its kubelets and the hubs.
type world struct {
	g Gomega
	client.Client
	r        *Reconciler
	recorder *events.FakeRecorder
	// writes lists what was written since the last time it was emptied.
	writes []string
	// fails is what an apply of a kind ends in.
	fails map[string]error
	// before is the stream as it was after the last reconciliation.
	before *v1alpha1.EventStream
	// issuers is what the cluster says of its tokens.
	issuers issuer.State

	mu sync.Mutex
	// hub is what every hub answers; nil is no answer.
	hub   *HubStatus
	asked int
}

func (w *world) State() issuer.State { return w.issuers }

func (w *world) Read(context.Context, string) (HubStatus, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if w.hub == nil {
		return HubStatus{}, errors.New("no route to host")
	}
	return *w.hub, nil
}

func newWorld(g Gomega, objects ...client.Object) *world {
	w := &world{g: g, fails: map[string]error{}, recorder: events.NewFakeRecorder(100)}
	w.issuers = issuer.State{Issuers: []config.Issuer{{URL: "https://kubernetes.default.svc", Keys: json.RawMessage(`{"keys":[]}`)}}}
	s := runtime.NewScheme()
	g.Expect(scheme.AddToScheme(s)).To(Succeed())
	g.Expect(v1alpha1.AddToScheme(s)).To(Succeed())
	stream := &v1alpha1.EventStream{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop", UID: "u-1", Generation: 1},
		Spec: v1alpha1.EventStreamSpec{
			Topics: []v1alpha1.Topic{{Name: "orders"}},
			Auth:   &v1alpha1.Auth{Subscribers: &v1alpha1.SubscriberAuth{Anonymous: &v1alpha1.Anonymous{}}},
		},
	}
	b := fake.NewClientBuilder().WithScheme(s).WithObjects(append(objects, stream)...).
		WithStatusSubresource(&v1alpha1.EventStream{}).
		WithIndex(&corev1.Pod{}, hubIndex, hubStream).
		WithIndex(&appsv1.Deployment{}, rolloutIndex, rollout).
		WithInterceptorFuncs(w.spies())
	for _, kind := range apply.Kinds() {
		b.WithIndex(kind, "runnel.dev/stray-of", apply.StrayOf)
	}
	w.Client = b.Build()
	w.r = &Reconciler{
		Client: w.Client, Applier: &apply.Applier{Client: w.Client, Direct: w.Client},
		Issuers: w, Hubs: w, Recorder: w.recorder, HubImage: "runnel:0.1.0", ClusterDomain: "cluster.local",
	}
	return w
}

// spies record the operator's writes.
func (w *world) spies() interceptor.Funcs {
	return interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			b, err := json.Marshal(o)
			if err != nil {
				return err
			}
			var meta metav1.PartialObjectMetadata
			if err := json.Unmarshal(b, &meta); err != nil {
				return err
			}
			w.writes = append(w.writes, "apply "+meta.Kind+" "+meta.Name)
			if err := w.fails[meta.Kind]; err != nil {
				return err
			}
			if err := c.Apply(ctx, o, opts...); err != nil || meta.Kind != "Deployment" {
				return err
			}
			// What was applied is a change, or it would not have been: the API server counts those.
			d := &appsv1.Deployment{}
			if err := c.Get(ctx, client.ObjectKey{Namespace: meta.Namespace, Name: meta.Name}, d); err != nil {
				return err
			}
			d.Generation++
			return c.Update(ctx, d)
		},
		SubResourceApply: func(ctx context.Context, c client.Client, sub string, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
			w.writes = append(w.writes, "apply "+sub)
			return c.SubResource(sub).Apply(ctx, o, opts...)
		},
		SubResourcePatch: func(_ context.Context, _ client.Client, sub string, o client.Object, p client.Patch, _ ...client.SubResourcePatchOption) error {
			b, err := p.Data(o)
			w.writes = append(w.writes, fmt.Sprintf("patch %s of %s: %s", sub, o.GetName(), b))
			return err // the memory cluster would drop what is not status
		},
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return errors.New("the operator has no right to patch pods")
		},
	}
}

// reconcile runs the reconciler once and holds the status against the rules.
func (w *world) reconcile() reconcile.Result {
	w.writes = nil
	result, err := w.r.Reconcile(context.Background(), reconcile.Request{NamespacedName: key("shop")})
	w.g.Expect(err).NotTo(HaveOccurred())
	s := w.stream()
	w.g.Expect(rules.Broken(s)).To(BeEmpty())
	if s.Status.ObservedGeneration != s.Generation && len(s.Status.Conditions) > 0 {
		w.g.Expect(result.RequeueAfter).To(And(BeNumerically(">", 0), BeNumerically("<=", passing)), "it speaks of the newest spec, or will in a moment")
	}
	if w.before != nil {
		w.g.Expect(rules.BrokenBetween(w.before, s)).To(BeEmpty())
	}
	w.before = s
	return result
}

func key(name string) client.ObjectKey { return client.ObjectKey{Namespace: "team-a", Name: name} }

func (w *world) get(name string, o client.Object) {
	w.g.Expect(w.Get(context.Background(), key(name), o)).To(Succeed())
}

func (w *world) stream() *v1alpha1.EventStream {
	s := &v1alpha1.EventStream{}
	w.get("shop", s)
	return s
}

// change changes the spec as a user would.
func (w *world) change(f func(*v1alpha1.EventStreamSpec)) {
	s := w.stream()
	f(&s.Spec)
	s.Generation++
	w.g.Expect(w.Update(context.Background(), s)).To(Succeed())
}

// hubRuns starts the hub's pod and has it run what its ConfigMap holds.
func (w *world) hubRuns() {
	w.rolls("shop")
	w.g.Expect(w.Create(context.Background(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop-hub-1", UID: "p-1", Labels: render.Selector("shop")},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "127.1.0.1",
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "hub", ContainerID: "c-1"}},
		},
	})).To(Succeed())
	w.hubReloads()
}

// rolls has the Deployment of a stream come to the end of its rollout.
func (w *world) rolls(stream string) {
	d := &appsv1.Deployment{}
	w.get(render.HubName(stream), d)
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1}
	w.g.Expect(w.Client.Status().Update(context.Background(), d)).To(Succeed())
}

// hubReloads has the hub take up the present ConfigMap.
func (w *world) hubReloads() { w.hub = &HubStatus{ConfigHash: config.Hash(w.config())} }

// config is the hub's configuration as written.
func (w *world) config() *config.Config {
	cm := &corev1.ConfigMap{}
	w.get("shop-hub", cm)
	cfg, err := config.Decode([]byte(cm.Data[render.ConfigKey]))
	w.g.Expect(err).NotTo(HaveOccurred())
	return cfg
}

// condition is the status and reason of a condition, and "" if it is not there.
func (w *world) condition(kind string) string {
	for _, c := range w.stream().Status.Conditions {
		if c.Type == kind {
			return string(c.Status) + "/" + c.Reason
		}
	}
	return ""
}

// events are those since the last call.
func (w *world) events() []string {
	var out []string
	for {
		select {
		case e := <-w.recorder.Events:
			out = append(out, e)
		default:
			return out
		}
	}
}

// timePasses makes every back-off due and every confirmation old.
func (w *world) timePasses() {
	known := w.r.known.of(key("shop"))
	known.began, known.next = time.Time{}, time.Time{}
	for i := range known.confirmed {
		known.confirmed[i].at = time.Time{}
	}
}

// hubIsReady has the kubelet say whether the hub's running pod is ready.
func (w *world) hubIsReady(ready corev1.ConditionStatus) {
	pod := &corev1.Pod{}
	w.get("shop-hub-1", pod)
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	pod.Status.ContainerStatuses[0].State.Running = &corev1.ContainerStateRunning{}
	w.g.Expect(w.Client.Status().Update(context.Background(), pod)).To(Succeed())
}
