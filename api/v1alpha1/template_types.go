package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
)

// HubTemplate adds to the hub's pods what its author may choose: never image, volumes, security context, service account
// or anything of the host.
type HubTemplate struct {
	// annotations are added to the pods. Those of runnel.dev and kubernetes.io are the operator's and the cluster's own.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('^([a-z0-9.-]+[.])?(runnel[.]dev|kubernetes[.]io|k8s[.]io)/'))",message="annotations of runnel.dev, kubernetes.io and k8s.io are set by the operator and the cluster: write keys of your own domain"
	Annotations map[string]string `json:"annotations,omitempty"`

	// resources of the hub's container. Unset: requests of 100m CPU and 128Mi memory, a limit of 512Mi memory.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",fieldPath=".claims",reason=FieldValueForbidden,message="a hub takes no device: leave claims out, or write what it needs as limits"
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// nodeSelector picks nodes by their labels.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// affinity picks nodes by rules.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	// topologySpreadConstraints spreads the pods.
	// +optional
	// +listType=map
	// +listMapKey=topologyKey
	// +listMapKey=whenUnsatisfiable
	// +kubebuilder:validation:MaxItems=8
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// imagePullSecrets names Secrets of the stream's namespace by which the hub's image is pulled.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:XValidation:rule="self.name != ''",fieldPath=".name",reason=FieldValueRequired,message="write the name of the Secret"
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
}
