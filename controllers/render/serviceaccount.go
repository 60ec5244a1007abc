package render

import (
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// serviceAccount is the hub's identity. No role is bound to it, and the one token of it that is mounted is for the stream's other
// hubs: a hub has no credential for the API server.
func serviceAccount(in Input) Child {
	name := HubName(in.Stream.Name)
	sa := corev1ac.ServiceAccount(name, in.Stream.Namespace).
		WithLabels(labels(in.Stream.Name)).
		WithAutomountServiceAccountToken(false)
	return Child{Kind: corev1.SchemeGroupVersion.WithKind("ServiceAccount"), Name: name, Object: sa, Meta: sa.ObjectMetaApplyConfiguration}
}
