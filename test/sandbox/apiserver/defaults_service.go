package apiserver

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

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

func defaultEndpointSlice(e *discoveryv1.EndpointSlice) {
	for i := range e.Ports {
		orDefault(&e.Ports[i].Name, "")
		orDefault(&e.Ports[i].Protocol, corev1.ProtocolTCP)
	}
}

func defaultIngress(i *networkingv1.Ingress) {
	for _, r := range i.Spec.Rules {
		if r.HTTP == nil {
			continue
		}
		for j := range r.HTTP.Paths {
			orDefault(&r.HTTP.Paths[j].PathType, networkingv1.PathTypeImplementationSpecific)
		}
	}
}

func defaultNetworkPolicy(n *networkingv1.NetworkPolicy) {
	ports := func(list []networkingv1.NetworkPolicyPort) {
		for i := range list {
			orDefault(&list[i].Protocol, corev1.ProtocolTCP)
		}
	}
	for _, r := range n.Spec.Ingress {
		ports(r.Ports)
	}
	for _, r := range n.Spec.Egress {
		ports(r.Ports)
	}
	if len(n.Spec.PolicyTypes) == 0 {
		n.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		if len(n.Spec.Egress) > 0 {
			n.Spec.PolicyTypes = append(n.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
		}
	}
}
