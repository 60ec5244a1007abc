package workload

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appslisters "k8s.io/client-go/listers/apps/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/runnel-dev/runnel/test/sandbox/node/loop"
)

// burst bounds how many pods one call makes or deletes; 500, as in Kubernetes.
const burst = 500

type replicaSets struct {
	Options
	loop     *loop.Loop
	sets     appslisters.ReplicaSetLister
	pods     cache.SharedIndexInformer
	expected expectations
}

func newReplicaSets(o Options) (*replicaSets, error) {
	c := &replicaSets{
		Options: o,
		sets:    o.Informers.Apps().V1().ReplicaSets().Lister(),
		pods:    o.Informers.Core().V1().Pods().Informer(),
	}
	c.loop = loop.New(o.Log, c.sync)
	if err := index(c.pods); err != nil {
		return nil, err
	}
	if _, err := o.Informers.Apps().V1().ReplicaSets().Informer().AddEventHandler(always(enqueue(c.loop))); err != nil {
		return nil, err
	}
	_, err := c.pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { c.podSeen(obj, true, false) },
		UpdateFunc: func(_, obj any) { c.podSeen(obj, false, false) },
		DeleteFunc: func(obj any) { c.podSeen(obj, false, true) },
	})
	return c, err
}

// podSeen meets expectations and wakes the pod's ReplicaSet.
func (c *replicaSets) podSeen(obj any, added, gone bool) {
	if t, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = t.Obj
	}
	p, ok := obj.(*corev1.Pod)
	if !ok {
		return
	}
	ref := metav1.GetControllerOf(p)
	if ref == nil || ref.Kind != "ReplicaSet" {
		return
	}
	key := p.Namespace + "/" + ref.Name
	if added {
		c.expected.created(key)
	}
	if gone || p.DeletionTimestamp != nil {
		c.expected.deleted(key, p.UID)
	}
	c.loop.Add(key)
}

func (c *replicaSets) sync(ctx context.Context, key string) (time.Duration, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return 0, err
	}
	rs, err := c.sets.ReplicaSets(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		c.expected.forget(key)
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	all, err := owned[corev1.Pod](c.pods, rs.UID)
	if err != nil {
		return 0, err
	}
	var active []*corev1.Pod
	terminating := 0
	for _, p := range all {
		switch {
		case finished(p):
		case p.DeletionTimestamp != nil:
			terminating++
		default:
			active = append(active, p)
		}
	}
	var failed error
	if rs.DeletionTimestamp == nil && c.expected.met(key) {
		failed = c.manage(ctx, key, rs, active)
	}
	now := time.Now()
	status, again := replicaSetStatus(rs, active, terminating, failed, now)
	if !apiequality.Semantic.DeepEqual(status, rs.Status) {
		rs = rs.DeepCopy()
		rs.Status = status
		if _, err := c.Client.AppsV1().ReplicaSets(namespace).UpdateStatus(ctx, rs, metav1.UpdateOptions{}); err != nil && failed == nil {
			failed = fmt.Errorf("status: %w", err)
		}
	}
	return again, failed
}

// manage creates the pods that are missing, or deletes those that are too many.
func (c *replicaSets) manage(ctx context.Context, key string, rs *appsv1.ReplicaSet, active []*corev1.Pod) error {
	diff := int(replicas(rs)) - len(active)
	for range min(max(diff, 0), burst) {
		if err := c.create(ctx, key, rs); err != nil {
			return err
		}
	}
	if diff >= 0 {
		return nil
	}
	slices.SortStableFunc(active, cheapestFirst)
	for _, p := range active[:min(-diff, burst)] {
		c.expected.expectDeletion(key, p.UID)
		err := c.Client.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(p.UID))})
		if err != nil {
			c.expected.deleted(key, p.UID)
			if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
				continue
			}
			c.Recorder.Eventf(rs, corev1.EventTypeWarning, "FailedDelete", "Error deleting: %v", err)
			return fmt.Errorf("delete pod %s: %w", p.Name, err)
		}
		c.Recorder.Eventf(rs, corev1.EventTypeNormal, "SuccessfulDelete", "Deleted pod: %s", p.Name)
	}
	return nil
}

func (c *replicaSets) create(ctx context.Context, key string, rs *appsv1.ReplicaSet) error {
	t := rs.Spec.Template.DeepCopy()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: rs.Name + "-", Namespace: rs.Namespace,
			Labels: t.Labels, Annotations: t.Annotations, Finalizers: t.Finalizers,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(rs, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))},
		},
		Spec: t.Spec,
	}
	c.expected.expectCreation(key)
	made, err := c.Client.CoreV1().Pods(rs.Namespace).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		c.expected.created(key)
		c.Recorder.Eventf(rs, corev1.EventTypeWarning, "FailedCreate", "Error creating: %v", err)
		return fmt.Errorf("create pod: %w", err)
	}
	c.Recorder.Eventf(rs, corev1.EventTypeNormal, "SuccessfulCreate", "Created pod: %s", made.Name)
	return nil
}

// cheapestFirst orders pods by how little is lost when they go: without a node, pending, not ready, cheap by
// annotation, more restarts, and last the younger before the older.
func cheapestFirst(a, b *corev1.Pod) int {
	rank := func(p *corev1.Pod) []int {
		out := []int{0, 0, 0, deletionCost(p), 0}
		if p.Spec.NodeName != "" {
			out[0] = 1
		}
		if p.Status.Phase == corev1.PodRunning {
			out[1] = 1
		}
		if readySince(p) != nil {
			out[2] = 1
		}
		for _, s := range p.Status.ContainerStatuses {
			out[4] -= int(s.RestartCount)
		}
		return out
	}
	if n := slices.Compare(rank(a), rank(b)); n != 0 {
		return n
	}
	return cmp.Compare(b.CreationTimestamp.UnixNano(), a.CreationTimestamp.UnixNano())
}
