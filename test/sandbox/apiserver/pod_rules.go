package apiserver

import (
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

func podRules() rules {
	return rules{
		name: subdomainName,
		prepare: func(obj, old runtime.Object) {
			p := obj.(*corev1.Pod)
			if old == nil {
				p.Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: qualityOfService(&p.Spec)}
			}
		},
		check:  checked(func(p *corev1.Pod) field.ErrorList { return validatePodSpec(&p.Spec, field.NewPath("spec")) }),
		change: changed(validatePodChange),
		// As podStatusStrategy of kube-apiserver: a node changes labels and annotations, but never owners, and revives no pod.
		keepThroughStatus: func(obj, old runtime.Object) {
			p, was := obj.(*corev1.Pod), old.(*corev1.Pod)
			p.OwnerReferences, p.DeletionTimestamp, p.Status.QOSClass = was.OwnerReferences, nil, was.Status.QOSClass
		},
		keptPaths: []fieldpath.Path{
			fieldpath.MakePathOrDie("metadata", "deletionTimestamp"),
			fieldpath.MakePathOrDie("metadata", "ownerReferences"),
		},
	}
}

// validatePodChange allows what a running pod may have changed.
func validatePodChange(p, old *corev1.Pod) field.ErrorList {
	at := field.NewPath("spec")
	fixed := p.Spec.DeepCopy()
	if len(fixed.Containers) != len(old.Spec.Containers) || len(fixed.InitContainers) != len(old.Spec.InitContainers) {
		return field.ErrorList{field.Forbidden(at.Child("containers"), "pod updates may not add or remove containers")}
	}
	for i := range fixed.Containers {
		fixed.Containers[i].Image = old.Spec.Containers[i].Image
	}
	for i := range fixed.InitContainers {
		fixed.InitContainers[i].Image = old.Spec.InitContainers[i].Image
	}
	fixed.ActiveDeadlineSeconds = old.Spec.ActiveDeadlineSeconds
	if len(fixed.SchedulingGates) < len(old.Spec.SchedulingGates) {
		fixed.SchedulingGates = old.Spec.SchedulingGates
	}
	if n := len(old.Spec.Tolerations); len(fixed.Tolerations) > n && apiequality.Semantic.DeepEqual(fixed.Tolerations[:n], old.Spec.Tolerations) {
		fixed.Tolerations = old.Spec.Tolerations
	}
	if !apiequality.Semantic.DeepEqual(fixed, &old.Spec) {
		return field.ErrorList{field.Forbidden(at, "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations)")}
	}
	return nil
}

// qualityOfService is Guaranteed when every container's CPU and memory are limited to what they request, BestEffort when
// none says anything, and Burstable otherwise.
func qualityOfService(s *corev1.PodSpec) corev1.PodQOSClass {
	guaranteed, any := true, false
	for _, list := range [][]corev1.Container{s.InitContainers, s.Containers} {
		for _, c := range list {
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				request, limit := c.Resources.Requests[name], c.Resources.Limits[name]
				any = any || !request.IsZero() || !limit.IsZero()
				guaranteed = guaranteed && !limit.IsZero() && request.Cmp(limit) == 0
			}
		}
	}
	switch {
	case !any:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}
