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

// Anonymous has no settings.
type Anonymous struct{}

// PublisherAuth says who may publish: serviceAccounts and keys stand together, anonymous stands alone.
//
// +kubebuilder:validation:XValidation:rule="has(self.anonymous) != (has(self.serviceAccounts) || has(self.keys))",reason=FieldValueInvalid,message="write serviceAccounts, keys or both; or anonymous: {} alone to let everybody publish who reaches the publish port"
type PublisherAuth struct {
	// serviceAccounts lists the ServiceAccounts that may publish, and to which topics. They present a token whose audience
	// is the stream's status.address.audience. The hub verifies it by itself, with the cluster's public keys, and asks nobody:
	// it does not see that a ServiceAccount, or the pod that the token was made for, is deleted, until the token expires. So it
	// refuses tokens that live longer than 24 h; projected ones live for an hour unless their author asks for more.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	ServiceAccounts []ServiceAccountGrant `json:"serviceAccounts,omitempty"`

	// keys lists static tokens by which publishers outside of the cluster, or without a ServiceAccount's token, may publish.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Keys []PublisherKey `json:"keys,omitempty"`

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

	// name is the ServiceAccount's name. "*" stands for every ServiceAccount of the namespace.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self == '*' || self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="write the name of a ServiceAccount: lower-case letters, digits, '-' and '.'; or '*' for every one of the namespace"
	Name string `json:"name,omitempty"`

	// topics lists topics and patterns that may be published to. Unset: every topic of the stream.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^(([A-Za-z0-9_~-]+|[*])[.])*([A-Za-z0-9_~-]+|[*]|>)$') && self.split('.').size() <= 16",message="write a topic or a pattern of at most 16 tokens of A-Z a-z 0-9 _ ~ - parted by '.', such as orders.eu, orders.* or >"
	Topics []string `json:"topics,omitempty"`
}

// PublisherKey lets publish whoever sends a static token.
type PublisherKey struct {
	// name is the publisher's name in the hub's logs.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="write a name of lower-case letters, digits and '-', such as ci"
	Name string `json:"name,omitempty"`

	// secretRef names the Secret that holds the token, one word of 16 bytes to 8 KiB, such as `openssl rand -hex 32` makes;
	// white space around it does not count. Its key, if unset, is token. A new token holds as soon as the kubelet has brought it, within a minute or two, and the old one no
	// longer: to change over without a refusal, add a second key first.
	// +required
	SecretRef EntryReference `json:"secretRef,omitzero"`

	// topics lists topics and patterns that may be published to. Unset: every topic of the stream.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^(([A-Za-z0-9_~-]+|[*])[.])*([A-Za-z0-9_~-]+|[*]|>)$') && self.split('.').size() <= 16",message="write a topic or a pattern of at most 16 tokens of A-Z a-z 0-9 _ ~ - parted by '.', such as orders.eu, orders.* or >"
	Topics []string `json:"topics,omitempty"`
}
