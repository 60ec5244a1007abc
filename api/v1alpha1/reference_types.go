package v1alpha1

// EntryReference names an entry of a Secret or ConfigMap in the stream's own namespace. It may be made after the stream: until it is
// there, whom it would let in is refused, and condition ConfigLoaded names it. Its contents reload in the running hub as the
// kubelet brings them, within a minute or two; a Secret or ConfigMap that is named for the first time, or no longer, rolls the
// hub's pods. The operator itself cannot read Secrets.
type EntryReference struct {
	// name of the Secret or ConfigMap.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="write the name of a Secret or ConfigMap: lower-case letters, digits, '-' and '.'"
	Name string `json:"name,omitempty"`

	// key of the entry. Unset: the one that the field with this reference says.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._A-Za-z0-9]+$') && self != '.' && !self.startsWith('..')",message="write the key of an entry: letters, digits, '-', '_' and '.', such as token"
	Key string `json:"key,omitempty"`
}

// TLS encrypts the ports for readers and publishers.
type TLS struct {
	// secretName names the Secret of type kubernetes.io/tls, in the stream's namespace, that holds certificate and private key,
	// such as one by cert-manager. The certificate should be for the names by which clients come: those of the Services are
	// <stream>-subscribe.<namespace>.svc and <stream>-publish.<namespace>.svc. A renewed certificate holds for new connections;
	// none is cut for it. Until the Secret is there, the hub is not ready and takes no connection, and the conditions say so.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="write the name of a Secret: lower-case letters, digits, '-' and '.'"
	SecretName string `json:"secretName,omitempty"`
}
