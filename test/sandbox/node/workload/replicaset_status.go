package workload

import (
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// replicaSetStatus counts the active pods, and says after which time a pod may become available that is only ready.
func replicaSetStatus(rs *appsv1.ReplicaSet, active []*corev1.Pod, terminating int, failed error, now time.Time) (appsv1.ReplicaSetStatus, time.Duration) {
	out := *rs.Status.DeepCopy()
	out.ObservedGeneration = rs.Generation
	out.Replicas = int32(len(active))
	out.FullyLabeledReplicas, out.ReadyReplicas, out.AvailableReplicas = 0, 0, 0
	gone := int32(terminating)
	out.TerminatingReplicas = &gone
	template := labels.SelectorFromValidatedSet(rs.Spec.Template.Labels)
	var again time.Duration
	for _, p := range active {
		if template.Matches(labels.Set(p.Labels)) {
			out.FullyLabeledReplicas++
		}
		since := readySince(p)
		if since == nil {
			continue
		}
		out.ReadyReplicas++
		left := since.Add(time.Duration(rs.Spec.MinReadySeconds) * time.Second).Sub(now)
		switch {
		case rs.Spec.MinReadySeconds == 0 || left <= 0:
			out.AvailableReplicas++
		case again == 0 || left < again:
			again = left
		}
	}
	out.Conditions = replicaFailure(out.Conditions, int(replicas(rs))-len(active), failed, now)
	return out, again
}

// replicaFailure keeps the one condition of a ReplicaSet: there while the last attempt failed.
func replicaFailure(old []appsv1.ReplicaSetCondition, missing int, failed error, now time.Time) []appsv1.ReplicaSetCondition {
	if failed == nil {
		return nil
	}
	reason := "FailedCreate"
	if missing < 0 {
		reason = "FailedDelete"
	}
	for _, c := range old {
		if c.Type == appsv1.ReplicaSetReplicaFailure && c.Reason == reason {
			return old
		}
	}
	return []appsv1.ReplicaSetCondition{{
		Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue,
		Reason: reason, Message: failed.Error(), LastTransitionTime: metav1.NewTime(now),
	}}
}

// readySince returns when the pod became ready, and nil if it is not.
func readySince(p *corev1.Pod) *metav1.Time {
	for i := range p.Status.Conditions {
		if c := &p.Status.Conditions[i]; c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return &c.LastTransitionTime
		}
	}
	return nil
}

func deletionCost(p *corev1.Pod) int {
	n, err := strconv.ParseInt(p.Annotations[corev1.PodDeletionCost], 10, 32)
	if err != nil {
		return 0 // the API server refuses any other value on a real cluster
	}
	return int(n)
}
