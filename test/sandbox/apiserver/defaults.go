package apiserver

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// orDefault sets *p when it is nil; orValue sets it when it is empty.
func orDefault[T any](p **T, v T) {
	if *p == nil {
		*p = &v
	}
}

func orValue[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// addDefaults registers the defaults of the kinds that a workload is made of: no library has them.
func addDefaults(s *runtime.Scheme) {
	add(s, defaultPod)
	add(s, defaultDeployment)
	add(s, defaultReplicaSet)
	add(s, defaultStatefulSet)
	add(s, defaultService)
	add(s, func(b *rbacv1.RoleBinding) { defaultBinding(&b.RoleRef, b.Subjects) })
	add(s, func(b *rbacv1.ClusterRoleBinding) { defaultBinding(&b.RoleRef, b.Subjects) })
	add(s, func(v *corev1.Secret) { orValue(&v.Type, corev1.SecretTypeOpaque) })
	add(s, defaultNetworkPolicy)
	add(s, defaultAutoscaler)
	add(s, defaultEndpointSlice)
	add(s, defaultIngress)
}

func add[T any, P interface {
	*T
	runtime.Object
}](s *runtime.Scheme, f func(P)) {
	s.AddTypeDefaultingFunc(P(new(T)), func(obj any) { f(obj.(P)) })
}

func defaultDeployment(d *appsv1.Deployment) {
	orDefault(&d.Spec.Replicas, 1)
	orDefault(&d.Spec.RevisionHistoryLimit, 10)
	orDefault(&d.Spec.ProgressDeadlineSeconds, 600)
	st := &d.Spec.Strategy
	orValue(&st.Type, appsv1.RollingUpdateDeploymentStrategyType)
	if st.Type == appsv1.RollingUpdateDeploymentStrategyType {
		orDefault(&st.RollingUpdate, appsv1.RollingUpdateDeployment{})
		orDefault(&st.RollingUpdate.MaxSurge, intstr.FromString("25%"))
		orDefault(&st.RollingUpdate.MaxUnavailable, intstr.FromString("25%"))
	}
	defaultPodTemplate(&d.Spec.Template)
}

func defaultReplicaSet(r *appsv1.ReplicaSet) {
	orDefault(&r.Spec.Replicas, 1)
	defaultPodTemplate(&r.Spec.Template)
}

func defaultStatefulSet(s *appsv1.StatefulSet) {
	orDefault(&s.Spec.Replicas, 1)
	orDefault(&s.Spec.RevisionHistoryLimit, 10)
	orValue(&s.Spec.PodManagementPolicy, appsv1.OrderedReadyPodManagement)
	st := &s.Spec.UpdateStrategy
	orValue(&st.Type, appsv1.RollingUpdateStatefulSetStrategyType)
	if st.Type == appsv1.RollingUpdateStatefulSetStrategyType {
		orDefault(&st.RollingUpdate, appsv1.RollingUpdateStatefulSetStrategy{})
		orDefault(&st.RollingUpdate.Partition, 0)
	}
	orDefault(&s.Spec.PersistentVolumeClaimRetentionPolicy, appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
		WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType, WhenScaled: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
	})
	for i := range s.Spec.VolumeClaimTemplates {
		orDefault(&s.Spec.VolumeClaimTemplates[i].Spec.VolumeMode, corev1.PersistentVolumeFilesystem)
		orValue(&s.Spec.VolumeClaimTemplates[i].Status.Phase, corev1.ClaimPending)
	}
	defaultPodTemplate(&s.Spec.Template)
}

func defaultBinding(ref *rbacv1.RoleRef, subjects []rbacv1.Subject) {
	orValue(&ref.APIGroup, rbacv1.GroupName)
	for i := range subjects {
		if subjects[i].Kind != rbacv1.ServiceAccountKind {
			orValue(&subjects[i].APIGroup, rbacv1.GroupName)
		}
	}
}

func defaultAutoscaler(h *autoscalingv2.HorizontalPodAutoscaler) {
	orDefault(&h.Spec.MinReplicas, 1)
	if len(h.Spec.Metrics) == 0 { // 80 % of the requested CPU is Kubernetes' own default
		h.Spec.Metrics = []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
			Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(80))},
		}}}
	}
}
