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

type deployments struct {
	Options
	loop *loop.Loop
	all  appslisters.DeploymentLister
	sets cache.SharedIndexInformer
	pods cache.SharedIndexInformer
}

func newDeployments(o Options) (*deployments, error) {
	c := &deployments{
		Options: o,
		all:     o.Informers.Apps().V1().Deployments().Lister(),
		sets:    o.Informers.Apps().V1().ReplicaSets().Informer(),
		pods:    o.Informers.Core().V1().Pods().Informer(),
	}
	c.loop = loop.New(o.Log, c.sync)
	if err := index(c.sets); err != nil {
		return nil, err
	}
	if _, err := o.Informers.Apps().V1().Deployments().Informer().AddEventHandler(always(enqueue(c.loop))); err != nil {
		return nil, err
	}
	if _, err := c.sets.AddEventHandler(always(enqueueOwner(c.loop, "Deployment"))); err != nil {
		return nil, err
	}
	// Only Recreate looks at pods: it goes on once the last old one is gone.
	_, err := c.pods.AddEventHandler(cache.ResourceEventHandlerFuncs{DeleteFunc: c.podGone})
	return c, err
}

func (c *deployments) podGone(obj any) {
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
	set, there, err := c.sets.GetIndexer().GetByKey(p.Namespace + "/" + ref.Name)
	if err == nil && there {
		enqueueOwner(c.loop, "Deployment")(set)
	}
}

// scope is one Deployment while it is worked on: a copy that the phases may change, and its ReplicaSets.
type scope struct {
	d       *appsv1.Deployment
	current *appsv1.ReplicaSet   // the one of the present template, nil before it is made
	old     []*appsv1.ReplicaSet // the others, oldest first

	before appsv1.DeploymentStatus // as the API server has it; the phases note conditions in d.Status
}

func (s *scope) every() []*appsv1.ReplicaSet {
	if s.current == nil {
		return s.old
	}
	return append(slices.Clone(s.old), s.current)
}

func (c *deployments) sync(ctx context.Context, key string) (time.Duration, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return 0, err
	}
	d, err := c.all.Deployments(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	s := &scope{d: d.DeepCopy(), before: d.Status}
	sets, err := owned[appsv1.ReplicaSet](c.sets, d.UID)
	if err != nil {
		return 0, err
	}
	slices.SortFunc(sets, oldestFirst)
	for _, rs := range sets {
		if s.current == nil && sameTemplate(&rs.Spec.Template, &d.Spec.Template) {
			s.current = rs.DeepCopy()
			continue
		}
		s.old = append(s.old, rs.DeepCopy())
	}
	if d.DeletionTimestamp == nil {
		if err := c.move(ctx, s); err != nil {
			return 0, err
		}
	}
	return c.report(ctx, s)
}

// move does the next step of the Deployment's way to what it wants.
func (c *deployments) move(ctx context.Context, s *scope) error {
	notePause(s.d, time.Now())
	switch {
	case s.d.Spec.Paused:
		if err := c.annotateCurrent(ctx, s); err != nil {
			return err
		}
		if err := c.scaleAll(ctx, s, proportional(s)); err != nil {
			return err
		}
		return c.prune(ctx, s)
	case resized(s):
		return c.scaleAll(ctx, s, proportional(s))
	case s.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
		return c.recreate(ctx, s)
	default:
		return c.rollingUpdate(ctx, s)
	}
}

func (c *deployments) rollingUpdate(ctx context.Context, s *scope) error {
	if err := c.ensureCurrent(ctx, s); err != nil {
		return err
	}
	if moves := rollUp(s); len(moves) > 0 {
		return c.scaleAll(ctx, s, moves)
	}
	if moves := rollDown(s); len(moves) > 0 {
		return c.scaleAll(ctx, s, moves)
	}
	return c.prune(ctx, s)
}

// recreate makes the new ReplicaSet only when no pod of an old one is left, terminating ones included.
func (c *deployments) recreate(ctx context.Context, s *scope) error {
	var moves []move
	for _, rs := range s.old {
		if replicas(rs) > 0 {
			moves = append(moves, move{rs, 0})
		}
	}
	if len(moves) > 0 {
		return c.scaleAll(ctx, s, moves)
	}
	left, err := c.oldPodsLeft(s)
	if err != nil || left {
		return err
	}
	if err := c.ensureCurrent(ctx, s); err != nil {
		return err
	}
	if want := wanted(s.d); replicas(s.current) != want {
		return c.scaleAll(ctx, s, []move{{s.current, want}})
	}
	return c.prune(ctx, s)
}

// oldPodsLeft is true, too, while an old ReplicaSet's controller has not yet answered its last change: until then it
// may still replace a pod that was lost.
func (c *deployments) oldPodsLeft(s *scope) (bool, error) {
	for _, rs := range s.old {
		if rs.Status.ObservedGeneration < rs.Generation || rs.Status.Replicas > 0 {
			return true, nil
		}
		pods, err := owned[corev1.Pod](c.pods, rs.UID)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return !finished(p) }) {
			return true, nil
		}
	}
	return false, nil
}

// scaleAll writes the wanted sizes, and the annotations that tell a later change of scale from a rollout.
func (c *deployments) scaleAll(ctx context.Context, s *scope, moves []move) error {
	for _, m := range moves {
		from := replicas(m.rs)
		changed := annotate(m.rs, sizes(s.d))
		if from == m.to && !changed {
			continue
		}
		m.rs.Spec.Replicas = &m.to
		updated, err := c.Client.AppsV1().ReplicaSets(m.rs.Namespace).Update(ctx, m.rs, metav1.UpdateOptions{})
		if err != nil {
			return fmt.Errorf("scale %s to %d: %w", m.rs.Name, m.to, err)
		}
		updated.DeepCopyInto(m.rs)
		if from == m.to {
			continue
		}
		way := "up"
		if m.to < from {
			way = "down"
		}
		c.Recorder.Eventf(s.d, corev1.EventTypeNormal, "ScalingReplicaSet", "Scaled %s replica set %s from %d to %d", way, m.rs.Name, from, m.to)
	}
	return nil
}

// prune deletes the oldest empty ReplicaSets beyond the revision history limit, once the rollout is complete.
func (c *deployments) prune(ctx context.Context, s *scope) error {
	if s.d.Spec.RevisionHistoryLimit == nil || !complete(s.d, &s.d.Status) {
		return nil
	}
	old := slices.Clone(s.old)
	slices.SortStableFunc(old, func(a, b *appsv1.ReplicaSet) int { return cmp.Compare(revision(a), revision(b)) })
	for _, rs := range old[:max(0, len(old)-int(*s.d.Spec.RevisionHistoryLimit))] {
		if rs.Status.Replicas > 0 || replicas(rs) > 0 || rs.Generation > rs.Status.ObservedGeneration || rs.DeletionTimestamp != nil {
			continue
		}
		err := c.Client.AppsV1().ReplicaSets(rs.Namespace).Delete(ctx, rs.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(rs.UID))})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete old ReplicaSet %s: %w", rs.Name, err)
		}
	}
	return nil
}

// report writes the status if it changed, and asks to be called again when the progress deadline may have passed.
func (c *deployments) report(ctx context.Context, s *scope) (time.Duration, error) {
	now := time.Now()
	status := deploymentStatus(s, now)
	if !apiequality.Semantic.DeepEqual(status, s.before) {
		s.d.Status = status
		if _, err := c.Client.AppsV1().Deployments(s.d.Namespace).UpdateStatus(ctx, s.d, metav1.UpdateOptions{}); err != nil {
			return 0, fmt.Errorf("status: %w", err)
		}
	}
	return untilDeadline(s.d, &status, now), nil
}

func oldestFirst(a, b *appsv1.ReplicaSet) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
}
