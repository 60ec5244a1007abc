package apiserver

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
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

func defaultService(v *corev1.Service) {
	spec := &v.Spec
	orValue(&spec.Type, corev1.ServiceTypeClusterIP)
	orValue(&spec.SessionAffinity, corev1.ServiceAffinityNone)
	if spec.SessionAffinity == corev1.ServiceAffinityClientIP {
		orDefault(&spec.SessionAffinityConfig, corev1.SessionAffinityConfig{})
		orDefault(&spec.SessionAffinityConfig.ClientIP, corev1.ClientIPConfig{})
		orDefault(&spec.SessionAffinityConfig.ClientIP.TimeoutSeconds, corev1.DefaultClientIPServiceAffinitySeconds)
	}
	for i := range spec.Ports {
		p := &spec.Ports[i]
		orValue(&p.Protocol, corev1.ProtocolTCP)
		if p.TargetPort == (intstr.IntOrString{}) || p.TargetPort == intstr.FromString("") {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
	if spec.Type == corev1.ServiceTypeExternalName {
		return
	}
	orDefault(&spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster)
	if spec.Type != corev1.ServiceTypeClusterIP {
		orValue(&spec.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
	}
	if spec.Type == corev1.ServiceTypeLoadBalancer {
		orDefault(&spec.AllocateLoadBalancerNodePorts, true)
	}
}
