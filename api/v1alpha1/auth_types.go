package v1alpha1

// Auth says who may read and who may publish.
type Auth struct {
	// subscribers says who may read.
	// +optional
	Subscribers *SubscriberAuth `json:"subscribers,omitempty"`

	// publishers says who may publish. Unset: every ServiceAccount of the stream's own namespace, to every topic.
	// +optional
	Publishers *PublisherAuth `json:"publishers,omitempty"`
}

// SubscriberAuth says who may read; exactly one of its fields is set.
//
// +kubebuilder:validation:XValidation:rule="has(self.anonymous)",message="write subscribers: {anonymous: {}} to let everybody read"
type SubscriberAuth struct {
	// anonymous lets everybody who reaches the subscribe port read every topic.
	// +optional
	Anonymous *Anonymous `json:"anonymous,omitempty"`
}

// Anonymous has no settings.
type Anonymous struct{}

// PublisherAuth says who may publish.
//
// +kubebuilder:validation:XValidation:rule="has(self.anonymous) != has(self.serviceAccounts)",message="write either serviceAccounts, or anonymous: {} to let everybody publish who reaches the publish port"
type PublisherAuth struct {
	// serviceAccounts lists the ServiceAccounts that may publish, and to which topics. They present a token whose audience
	// is the stream's status.address.audience.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	ServiceAccounts []ServiceAccountGrant `json:"serviceAccounts,omitempty"`

	// anonymous lets everybody publish who reaches the publish port. It is meant for trying things out.
	// +optional
	Anonymous *Anonymous `json:"anonymous,omitempty"`
}

// ServiceAccountGrant lets ServiceAccounts publish.
type ServiceAccountGrant struct {
	// namespace is the ServiceAccount's namespace. Unset: the stream's own.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="write the name of a namespace: lower-case letters, digits and '-'"
	Namespace string `json:"namespace,omitempty"`

	// name is the ServiceAccount's name. Unset: every ServiceAccount of the namespace.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="write the name of a ServiceAccount: lower-case letters, digits, '-' and '.'"
	Name string `json:"name,omitempty"`

	// topics lists topics and patterns that may be published to. Unset: every topic of the stream.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.matches('^(([A-Za-z0-9_~-]+|[*])[.])*([A-Za-z0-9_~-]+|[*]|>)$') && t.split('.').size() <= 16)",message="write topics or patterns of at most 16 tokens of A-Z a-z 0-9 _ ~ - parted by '.', such as orders.eu, orders.* or >"
	Topics []string `json:"topics,omitempty"`
}
