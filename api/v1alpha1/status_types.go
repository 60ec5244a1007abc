package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EventStreamStatus is what the operator last saw of a stream.
type EventStreamStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready sums up Accepted, Available and ConfigLoaded; Reconciling and Stalled are there only while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// address is where publishers send events.
	// +optional
	Address *Address `json:"address,omitempty"`

	// subscribeURL is where readers connect.
	// +optional
	SubscribeURL string `json:"subscribeURL,omitempty"`

	// replicas is the number of hub pods that stay: while one replaces another there are two, until the other is told to go.
	// +optional
	Replicas int32 `json:"replicas"`

	// readyReplicas is the number of those that are ready.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`

	// image is the hub's image, pinned at its first rollout: a new operator alone never rolls a hub, unless its upgradePolicy is
	// OnOperatorUpgrade. It stays when the Deployment is deleted.
	// +optional
	Image string `json:"image,omitempty"`

	// configHash names the configuration that the hub shall run; the hub's /status names the one that it runs.
	// +optional
	ConfigHash string `json:"configHash,omitempty"`
}

// Address is Knative's Addressable: where a stream takes events, and the audience of the tokens that it takes.
type Address struct {
	// url of the publish Service.
	// +optional
	URL string `json:"url,omitempty"`

	// audience that a publisher's ServiceAccount token must have.
	// +optional
	Audience string `json:"audience,omitempty"`
}

// Types of conditions.
const (
	// ConditionAccepted is true when the spec can be carried out.
	ConditionAccepted = "Accepted"
	// ConditionAvailable is true when a hub serves, one that is being replaced included.
	ConditionAvailable = "Available"
	// ConditionConfigLoaded is true when every ready hub runs the configuration that the spec asks for, and had all that it names
	// when it was last asked: what is taken away from a Secret later is seen within 5 min.
	ConditionConfigLoaded = "ConfigLoaded"
	// ConditionReady is true when the stream serves as its spec says.
	ConditionReady = "Ready"
	// ConditionReconciling is kstatus': present, and true, while a change is on its way.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is kstatus': present, and true, when only a change of the spec can help, or of what stands against it.
	ConditionStalled = "Stalled"
)

// Reasons of conditions.
const (
	// ReasonAccepted: the spec can be carried out.
	ReasonAccepted = "Accepted"
	// ReasonInvalid: the spec contradicts itself in a way that only the operator can see; the message says how.
	ReasonInvalid = "Invalid"
	// ReasonNameConflict: an object that is not the stream's has the name of one of its children.
	ReasonNameConflict = "NameConflict"
	// ReasonRefused: the API server refused a child, by a quota or an admission policy for instance; the message holds why.
	ReasonRefused = "Refused"
	// ReasonSuspended: spec.suspend is true.
	ReasonSuspended = "Suspended"
	// ReasonAvailable: a hub serves.
	ReasonAvailable = "Available"
	// ReasonProgressing: the hub is being started or replaced.
	ReasonProgressing = "Progressing"
	// ReasonProgressDeadlineExceeded: the hub that shall replace another did not get ready in the Deployment's time; the message holds
	// what its pod says. The other one goes on serving.
	ReasonProgressDeadlineExceeded = "ProgressDeadlineExceeded"
	// ReasonPaused: somebody paused the hub's Deployment, and a change of its pods waits until it is resumed.
	ReasonPaused = "Paused"
	// ReasonUnavailable: no hub serves; the message holds what its pod says.
	ReasonUnavailable = "Unavailable"
	// ReasonConfigLoaded: every ready hub runs the configuration that the spec asks for.
	ReasonConfigLoaded = "ConfigLoaded"
	// ReasonReloading: a hub has not taken up its configuration yet.
	ReasonReloading = "Reloading"
	// ReasonRestartNeeded: a hub runs its configuration but for what one that is open already cannot change, and nothing replaces it:
	// its Deployment was paused, for instance.
	ReasonRestartNeeded = "RestartNeeded"
	// ReasonConfigRefused: a hub refused its configuration, or new contents of a Secret that it names, and goes on with those of
	// before; the message holds why.
	ReasonConfigRefused = "ConfigRefused"
	// ReasonHubTooOld: a hub is of an older image than the operator, and the spec has fields that it does not know; the message names them.
	// The hub runs without them, and without the grants that they restrict.
	ReasonHubTooOld = "HubTooOld"
	// ReasonIssuerKeysMissing: tokens cannot be checked, since their issuer's keys are not known: those of the cluster, for
	// publishers' ServiceAccounts, or those at a jwksURI, for readers.
	ReasonIssuerKeysMissing = "IssuerKeysMissing"
	// ReasonSecretMissing: an entry of a Secret or ConfigMap that the spec names is not there, or not what it should be; the
	// message names it. Whom it would let in is refused, and without a certificate the hub does not serve at all.
	ReasonSecretMissing = "SecretMissing"
	// ReasonUnknown: it could not be found out; the message says why.
	ReasonUnknown = "Unknown"
	// ReasonReady: the stream serves as its spec says.
	ReasonReady = "Ready"
)
