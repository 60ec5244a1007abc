package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/apply"
	"github.com/runnel-dev/runnel/controllers/fault"
	"github.com/runnel-dev/runnel/controllers/issuer"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/controllers/rules"
	"github.com/runnel-dev/runnel/hub/config"
)

// settles bounds how many rounds a trial may take until nothing is left to do; most take ten.
const settles = 300

// trial is a cluster in memory with an operator that reads from a cache of its own, and whose calls can fail. It runs in a bubble of
// testing/synctest: no time passes until nothing else is left to do, and then as much as the operator wants to come back after.
type trial struct {
	g Gomega
	// api is the API server as everybody else sees it.
	api   *fault.Server
	cache *fault.Cache
	calls fault.Calls
	r     *Reconciler

	// hubImage is the operator's.
	hubImage string
	// additions are those that the operator knows.
	additions config.Additions
	issuers   issuer.State
	// going: the namespace is being deleted, and takes nothing new.
	going bool
	// secrets are the Secrets and ConfigMaps that somebody has made, by kind and name.
	secrets map[string]bool
	// running is what the hub in each pod runs, by address.
	running map[string]*HubStatus

	queue []client.ObjectKey
	// timers are when the operator comes back.
	timers map[client.ObjectKey]time.Time
	// told counts what watches have told of; the drop-th of it is lost, counted from 1.
	told, drop int
	// resyncs: the operator looks at all streams after each step.
	resyncs bool
	// writes counts what was written, by anybody, and reconciled the reconciliations.
	writes, reconciled int
	before             map[client.ObjectKey]*v1alpha1.EventStream
}

func (w *trial) State() issuer.State { return w.issuers }

func newTrial(g Gomega, api *fault.Server) *trial {
	w := &trial{
		g: g, api: api, hubImage: "runnel:0.1.0", secrets: map[string]bool{}, running: map[string]*HubStatus{},
		timers: map[client.ObjectKey]time.Time{}, before: map[client.ObjectKey]*v1alpha1.EventStream{},
	}
	w.issuers = issuer.State{Issuers: []config.Issuer{{URL: "https://kubernetes.default.svc", Keys: json.RawMessage(`{"keys":[]}`)}}}
	api.Admit = w.admit
	ours := func(o client.Object) bool {
		_, isStream := o.(*v1alpha1.EventStream)
		return isStream || o.GetLabels()[render.LabelManagedBy] == render.ManagedBy
	}
	var err error
	w.cache, err = fault.NewCache(context.Background(), api, map[string]client.IndexerFunc{"runnel.dev/stray-of": apply.StrayOf, hubIndex: hubStream, rolloutIndex: rollout}, ours,
		&v1alpha1.EventStreamList{}, &corev1.ServiceAccountList{}, &corev1.ConfigMapList{}, &corev1.ServiceList{}, &appsv1.DeploymentList{}, &corev1.PodList{})
	g.Expect(err).NotTo(HaveOccurred())
	w.restart()
	return w
}

// copy makes a trial of the same state with another operator.
func (w *trial) copy() *trial {
	c := newTrial(w.g, w.api.Copy())
	c.hubImage, c.additions, c.r.HubImage, c.r.additions = w.hubImage, w.additions, w.hubImage, w.additions
	c.secrets, c.running, c.before = maps.Clone(w.secrets), maps.Clone(w.running), maps.Clone(w.before)
	return c
}

// restart makes another operator, which knows nothing but what it finds.
func (w *trial) restart() {
	c := fault.NewClient(w.api, w.cache, &w.calls)
	w.r = &Reconciler{
		Client: c, Applier: &apply.Applier{Client: c, Direct: fault.NewReader(w.api, &w.calls)},
		Issuers: w, Hubs: w, Recorder: &events.FakeRecorder{}, HubImage: w.hubImage, ClusterDomain: "cluster.local",
		ConcurrentUpgrades: 1, additions: w.additions,
	}
	w.queue, w.timers = nil, map[client.ObjectKey]time.Time{}
	w.cache.Sync()
	w.cache.Told()
	w.resync()
}

// resync has every stream reconciled.
func (w *trial) resync() {
	for _, o := range w.cache.Objects() {
		if s, ok := o.(*v1alpha1.EventStream); ok {
			w.enqueue(client.ObjectKeyFromObject(s))
		}
	}
}

func (w *trial) enqueue(key client.ObjectKey) {
	if !slices.Contains(w.queue, key) {
		w.queue = append(w.queue, key)
	}
}

// drain lets everything happen that is to happen. It ends when nothing has changed for as long as the operator waits for others.
func (w *trial) drain() {
	changed, writes := time.Now(), w.writes
	for range settles {
		if writes != w.writes {
			changed, writes = time.Now(), w.writes
		}
		switch {
		case len(w.queue) > 0:
			key := w.queue[0]
			w.queue = w.queue[1:]
			w.reconcile(key)
		case w.cache.Sync():
		case w.act():
			w.writes++
		case len(w.timers) > 0 && time.Since(changed) <= longestWaiting:
			w.wait()
		default:
			return
		}
		w.hear()
	}
	made := w.calls.Made()
	w.g.Expect(w.queue).NotTo(Equal(w.queue), "it does not settle: %v", made[max(0, len(made)-100):])
}

// play lets steps happen, each of which settles.
func play(w *trial, steps ...func(*trial)) {
	for _, step := range steps {
		step(w)
		w.drain()
	}
}

// condition is the status and reason of a condition of the stream shop, and "" if it is not there.
func (w *trial) condition(kind string) string {
	c := meta.FindStatusCondition(w.shop().Status.Conditions, kind)
	if c == nil {
		return ""
	}
	return string(c.Status) + "/" + c.Reason
}

// podNames are the names of all pods.
func (w *trial) podNames() (names []string) {
	pods := &corev1.PodList{}
	w.must(w.api.List(context.Background(), pods))
	for i := range pods.Items {
		names = append(names, pods.Items[i].Name)
	}
	return names
}

// wait lets time pass until the operator comes back.
func (w *trial) wait() {
	next := slices.MinFunc(slices.Collect(maps.Values(w.timers)), time.Time.Compare)
	time.Sleep(time.Until(next))
	for key, at := range w.timers {
		if !at.After(next) {
			delete(w.timers, key)
			w.enqueue(key)
		}
	}
}

// hear takes what the cache's watches tell to the queue, as SetupWithManager has it.
func (w *trial) hear() {
	for _, e := range w.cache.Told() {
		w.writes++
		for _, key := range asksFor(e) {
			w.told++
			if w.told != w.drop {
				w.enqueue(key)
			}
		}
	}
}

func asksFor(e fault.Event) []client.ObjectKey {
	either := e.New
	if either == nil {
		either = e.Old
	}
	update := event.UpdateEvent{ObjectOld: e.Old, ObjectNew: e.New}
	switch either.(type) {
	case *v1alpha1.EventStream:
		if e.Old != nil && e.New != nil && !(predicate.GenerationChangedPredicate{}).Update(update) {
			return nil
		}
		return []client.ObjectKey{client.ObjectKeyFromObject(either)}
	case *corev1.Pod:
		if e.Old != nil && e.New != nil && !podNews().Update(update) {
			return nil
		}
		var keys []client.ObjectKey
		for _, r := range podStream(context.Background(), either) {
			keys = append(keys, r.NamespacedName)
		}
		return keys
	}
	if ref := metav1.GetControllerOf(either); ref != nil && ref.Kind == "EventStream" {
		return []client.ObjectKey{{Namespace: either.GetNamespace(), Name: ref.Name}}
	}
	return nil
}

// reconcile runs one reconciliation. An operator that crashes in it is started anew.
func (w *trial) reconcile(key client.ObjectKey) {
	w.reconciled++
	crashed := false
	result, err := func() (result reconcile.Result, err error) {
		defer func() {
			switch r := recover().(type) {
			case nil:
			case fault.Crash:
				crashed = true
			default:
				panic(r)
			}
		}()
		return w.r.Reconcile(context.Background(), reconcile.Request{NamespacedName: key})
	}()
	w.cache.Collect()
	switch {
	case crashed:
		w.restart()
	case err != nil:
		w.enqueue(key)
	case result.RequeueAfter > 0:
		w.timers[key] = time.Now().Add(result.RequeueAfter)
	}
	w.check(key)
}

// check holds a stream's status against the rules.
func (w *trial) check(key client.ObjectKey) {
	s := &v1alpha1.EventStream{}
	if err := w.api.Get(context.Background(), key, s); apierrors.IsNotFound(err) {
		delete(w.before, key)
		return
	}
	w.g.Expect(rules.Broken(s)).To(BeEmpty())
	if before := w.before[key]; before != nil {
		w.g.Expect(rules.BrokenBetween(before, s)).To(BeEmpty())
	}
	w.before[key] = s
}

// final is all that there is, by kind and name, without what differs between two clusters in which the same happened: versions,
// UIDs, times and addresses. Whether an owner is there takes the place of its UID.
func (w *trial) final() map[string]string {
	all, owners := map[string]string{}, map[types.UID]bool{}
	objects := w.api.Objects()
	for _, o := range objects {
		owners[o.GetUID()] = true
	}
	for _, o := range objects {
		o = o.DeepCopyObject().(client.Object)
		o.SetManagedFields(nil)
		refs := o.GetOwnerReferences()
		for i := range refs {
			if owners[refs[i].UID] {
				refs[i].UID = "there"
			} else {
				refs[i].UID = "gone"
			}
		}
		o.SetOwnerReferences(refs)
		o.SetUID("")
		o.SetResourceVersion("")
		switch o := o.(type) {
		case *v1alpha1.EventStream:
			for i := range o.Status.Conditions {
				o.Status.Conditions[i].LastTransitionTime = metav1.Time{}
			}
		case *corev1.Pod:
			o.Status.PodIP = ""
			delete(o.Annotations, nudgeAnnotation) // how often a kubelet was nudged is history
		}
		document, err := json.MarshalIndent(o, "", " ")
		w.g.Expect(err).NotTo(HaveOccurred())
		all[fmt.Sprintf("%T %s/%s", o, o.GetNamespace(), o.GetName())] = string(document)
	}
	return all
}

// differences of two finals.
func differences(got, want map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if g, ok := got[name]; !ok {
			out = append(out, name+" is missing")
		} else if g != want[name] {
			out = append(out, fmt.Sprintf("%s has %q and not %q", name, without(g, want[name]), without(want[name], g)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			out = append(out, name+" is too much")
		}
	}
	return out
}

// without returns the lines of a that are not in b.
func without(a, b string) []string {
	lines := strings.Split(b, "\n")
	return slices.DeleteFunc(strings.Split(a, "\n"), func(line string) bool { return slices.Contains(lines, line) })
}
