package controllers

import corev1 "k8s.io/api/core/v1"

// firstHub returns the UID of the pod whose hub has nothing to take over, for config.Peers.First: the only pod that the stream has, as long
// as it is not ready. It is empty where there is another one, on its way out or not, since that may have the history.
//
// The cache follows one watch of pods, which tells changes in their order. So what it shows was true at some moment: the pod was not ready,
// and all others that were ever made before are gone, and their processes with them. What config.Peers.First says of its being read later
// covers whatever happens after that moment, also when the operator ends before it takes the name back.
func (v *view) firstHub() string {
	if v.deployment == nil || len(v.pods) != 1 {
		return ""
	}
	pod := v.pods[0]
	if pod.DeletionTimestamp != nil || isReady(pod) {
		return ""
	}
	return string(pod.UID)
}

// ended reports whether no process of a pod is left.
func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}
