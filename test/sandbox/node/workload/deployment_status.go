package workload

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Reasons of a Deployment's conditions, which `kubectl rollout status` and kstatus read.
const (
	reasonCreated   = "NewReplicaSetCreated"
	reasonFound     = "FoundNewReplicaSet"
	reasonUpdated   = "ReplicaSetUpdated"
	reasonAvailable = "NewReplicaSetAvailable"
	reasonFailed    = "ReplicaSetCreateError"
	reasonDeadline  = "ProgressDeadlineExceeded"
	reasonPaused    = "DeploymentPaused"
	reasonResumed   = "DeploymentResumed"
	reasonMinimum   = "MinimumReplicasAvailable"
	reasonNoMinimum = "MinimumReplicasUnavailable"
)

// deploymentStatus is what the ReplicaSets amount to. The conditions that the phases noted in s.d.Status are kept.
func deploymentStatus(s *scope, now time.Time) appsv1.DeploymentStatus {
	old := s.d.Status
	out := appsv1.DeploymentStatus{
		ObservedGeneration: s.d.Generation,
		CollisionCount:     old.CollisionCount,
		AvailableReplicas:  available(s.every()),
	}
	var terminating int32
	for _, rs := range s.every() {
		out.Replicas += rs.Status.Replicas
		out.ReadyReplicas += rs.Status.ReadyReplicas
		if rs.Status.TerminatingReplicas != nil {
			terminating += *rs.Status.TerminatingReplicas
		}
	}
	out.TerminatingReplicas = &terminating
	if s.current != nil {
		out.UpdatedReplicas = s.current.Status.Replicas
	}
	out.UnavailableReplicas = max(0, total(s.every())-out.AvailableReplicas)
	for _, c := range old.Conditions {
		if c.Type != appsv1.DeploymentReplicaFailure {
			out.Conditions = append(out.Conditions, c)
		}
	}
	_, unavailable := fence(s.d)
	if out.AvailableReplicas >= wanted(s.d)-unavailable {
		set(&out, appsv1.DeploymentAvailable, corev1.ConditionTrue, reasonMinimum, "Deployment has minimum availability.", now)
	} else {
		set(&out, appsv1.DeploymentAvailable, corev1.ConditionFalse, reasonNoMinimum, "Deployment does not have minimum availability.", now)
	}
	for _, rs := range s.every() {
		for _, c := range rs.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure && (rs == s.current || s.current == nil) {
				set(&out, appsv1.DeploymentReplicaFailure, c.Status, c.Reason, c.Message, c.LastTransitionTime.Time)
			}
		}
	}
	progress(s, old, &out, now)
	return out
}

// progress decides the Progressing condition.
func progress(s *scope, old appsv1.DeploymentStatus, out *appsv1.DeploymentStatus, now time.Time) {
	if s.d.Spec.ProgressDeadlineSeconds == nil {
		remove(out, appsv1.DeploymentProgressing)
		return
	}
	current := condition(&old, appsv1.DeploymentProgressing)
	if current != nil && current.Reason == reasonAvailable && out.Replicas == out.UpdatedReplicas {
		return // complete before; a pod that is lost later is no rollout
	}
	name := fmt.Sprintf("Deployment %q", s.d.Name)
	if s.current != nil {
		name = fmt.Sprintf("ReplicaSet %q", s.current.Name)
	}
	switch {
	case s.d.Spec.Paused: // the reason for that was noted before
	case complete(s.d, out):
		set(out, appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonAvailable, name+" has successfully progressed.", now)
	case progressed(&old, out):
		remove(out, appsv1.DeploymentProgressing) // so that the time of the update, which the deadline counts from, is new
		set(out, appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonUpdated, name+" is progressing.", now)
		if current != nil && current.Status == corev1.ConditionTrue {
			condition(out, appsv1.DeploymentProgressing).LastTransitionTime = current.LastTransitionTime
		}
	case current != nil && current.Status == corev1.ConditionTrue && !now.Before(deadline(s.d, current)):
		set(out, appsv1.DeploymentProgressing, corev1.ConditionFalse, reasonDeadline, name+" has timed out progressing.", now)
	}
}

// complete says that the rollout is done and all of it is available.
func complete(d *appsv1.Deployment, s *appsv1.DeploymentStatus) bool {
	return s.UpdatedReplicas == wanted(d) && s.Replicas == wanted(d) && s.AvailableReplicas == wanted(d) &&
		s.ObservedGeneration >= d.Generation
}

func progressed(old, now *appsv1.DeploymentStatus) bool {
	return now.UpdatedReplicas > old.UpdatedReplicas || now.ReadyReplicas > old.ReadyReplicas ||
		now.AvailableReplicas > old.AvailableReplicas ||
		now.Replicas-now.UpdatedReplicas < old.Replicas-old.UpdatedReplicas
}

func deadline(d *appsv1.Deployment, c *appsv1.DeploymentCondition) time.Time {
	return c.LastUpdateTime.Add(time.Duration(*d.Spec.ProgressDeadlineSeconds) * time.Second)
}

// untilDeadline is the time until a rollout may have run out of its deadline, 0 if none is running.
func untilDeadline(d *appsv1.Deployment, s *appsv1.DeploymentStatus, now time.Time) time.Duration {
	c := condition(s, appsv1.DeploymentProgressing)
	if d.Spec.ProgressDeadlineSeconds == nil || c == nil || d.Spec.Paused || c.Status != corev1.ConditionTrue || c.Reason == reasonAvailable {
		return 0
	}
	// A second later, since the times in a condition are whole seconds.
	return max(time.Second, deadline(d, c).Sub(now)+time.Second)
}

// notePause follows spec.paused in the Progressing condition, so that a pause does not count against the deadline.
func notePause(d *appsv1.Deployment, now time.Time) {
	if d.Spec.ProgressDeadlineSeconds == nil {
		return
	}
	c := condition(&d.Status, appsv1.DeploymentProgressing)
	if c != nil && c.Reason == reasonDeadline {
		return
	}
	paused := c != nil && c.Reason == reasonPaused
	if d.Spec.Paused && !paused {
		set(&d.Status, appsv1.DeploymentProgressing, corev1.ConditionUnknown, reasonPaused, "Deployment is paused", now)
	} else if !d.Spec.Paused && paused {
		set(&d.Status, appsv1.DeploymentProgressing, corev1.ConditionUnknown, reasonResumed, "Deployment is resumed", now)
	}
}

func noteCreated(s *scope) {
	if s.d.Spec.ProgressDeadlineSeconds != nil {
		set(&s.d.Status, appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonCreated, fmt.Sprintf("Created new replica set %q", s.current.Name), time.Now())
	}
}

func noteFound(s *scope) {
	if s.d.Spec.ProgressDeadlineSeconds != nil && condition(&s.d.Status, appsv1.DeploymentProgressing) == nil {
		set(&s.d.Status, appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonFound, fmt.Sprintf("Found new replica set %q", s.current.Name), time.Now())
	}
}

func noteCreateFailed(d *appsv1.Deployment, err error) {
	if d.Spec.ProgressDeadlineSeconds != nil {
		set(&d.Status, appsv1.DeploymentProgressing, corev1.ConditionFalse, reasonFailed, err.Error(), time.Now())
	}
}

func condition(s *appsv1.DeploymentStatus, t appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == t {
			return &s.Conditions[i]
		}
	}
	return nil
}

// set changes a condition only if its status or reason is new, as Kubernetes does.
func set(s *appsv1.DeploymentStatus, t appsv1.DeploymentConditionType, status corev1.ConditionStatus, reason, message string, now time.Time) {
	next := appsv1.DeploymentCondition{
		Type: t, Status: status, Reason: reason, Message: message,
		LastUpdateTime: metav1.NewTime(now), LastTransitionTime: metav1.NewTime(now),
	}
	c := condition(s, t)
	if c == nil {
		s.Conditions = append(s.Conditions, next)
		return
	}
	if c.Status == status && c.Reason == reason {
		return
	}
	if c.Status == status {
		next.LastTransitionTime = c.LastTransitionTime
	}
	*c = next
}

func remove(s *appsv1.DeploymentStatus, t appsv1.DeploymentConditionType) {
	kept := s.Conditions[:0]
	for _, c := range s.Conditions {
		if c.Type != t {
			kept = append(kept, c)
		}
	}
	s.Conditions = kept
}
