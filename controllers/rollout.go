package controllers

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// replicaSetCreateError is the Deployment controller's reason of a ReplicaSet that it could not make, because of a quota for instance.
const replicaSetCreateError = "ReplicaSetCreateError"

// newReplicaSetAvailable is its reason of a rollout that has come to its end.
const newReplicaSetAvailable = "NewReplicaSetAvailable"

// isRolling says whether the Deployment is replacing its pods.
func isRolling(d *appsv1.Deployment) bool {
	s := d.Status
	return s.ObservedGeneration < d.Generation || s.UpdatedReplicas < desired(d) || s.Replicas > s.UpdatedReplicas
}

// desired is how many hubs there shall be.
func desired(d *appsv1.Deployment) int32 {
	if r := d.Spec.Replicas; r != nil {
		return *r
	}
	return 1
}

func (v *view) rolling() bool { return v.deployment != nil && isRolling(v.deployment) && !v.held() }

// held says whether somebody paused the Deployment, and it has pods to replace.
func (v *view) held() bool {
	return v.deployment != nil && v.deployment.Spec.Paused && isRolling(v.deployment)
}

// succeeding says whether there is a pod already that shall replace another.
func (v *view) succeeding() bool { return v.rolling() && len(v.staying()) > int(desired(v.deployment)) }

// overdue says whether the Deployment has given up waiting for a pod to get ready. It goes on trying, and so may come round.
func (v *view) overdue() bool {
	for _, c := range v.deployment.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse {
			return true
		}
	}
	return false
}

// staying are the hubs that nobody has told to go, the oldest first.
func (v *view) staying() []hub {
	return v.those(func(h hub) bool { return !h.leaving })
}

// serving are the hubs that readers and publishers are sent to: those that are ready; and as long as there is none, as when a node
// is emptied, those that were told to go and wait for a successor.
func (v *view) serving() []hub {
	if ready := v.those(func(h hub) bool { return h.ready && !h.leaving }); len(ready) > 0 {
		return ready
	}
	return v.those(func(h hub) bool { return h.ready })
}

func (v *view) those(are func(hub) bool) []hub {
	return slices.DeleteFunc(slices.Clone(v.hubs), func(h hub) bool { return !are(h) })
}
