package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EventStream offers a set of topics as Server-Sent Events. The operator makes a hub of it: a Deployment with its
// configuration and Services, all in the stream's namespace and owned by the stream.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=eventstreams,scope=Namespaced,shortName=evs,categories=runnel
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Replicas",type=integer,JSONPath=`.status.readyReplicas`
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.status.subscribeURL`
// +kubebuilder:printcolumn:name="Publish URL",type=string,priority=1,JSONPath=`.status.address.url`
// +kubebuilder:printcolumn:name="Image",type=string,priority=1,JSONPath=`.status.image`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 50 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name names Services: write at most 50 lower-case letters, digits and '-', starting with a letter, such as team-shop"
type EventStream struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata. The name is a DNS-1035 label of at most 50 bytes, since Services are
	// named after it.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what the stream shall be.
	// +required
	Spec EventStreamSpec `json:"spec,omitzero"`

	// status is what the operator last saw of the stream. Before it has seen it, observedGeneration is -1: who waits for a stream
	// by the generations would take one without any for a settled one.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status EventStreamStatus `json:"status,omitzero"`
}

// EventStreamList is a list of EventStreams.
//
// +kubebuilder:object:root=true
type EventStreamList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []EventStream `json:"items"`
}

// EventStreamSpec is what a stream shall be. All of it but template and upgradePolicy reloads in the running hub; only a Secret or
// ConfigMap that it names for the first time, or no longer, rolls the pods, since they mount it. When pods roll, the new hub takes
// history and cursors over before the old one lets its readers go.
//
// +kubebuilder:validation:XValidation:rule="has(self.auth) && has(self.auth.subscribers)",message="auth.subscribers is required: write auth: {subscribers: {anonymous: {}}} to let everybody read"
// +kubebuilder:validation:XValidation:rule="!has(self.limits) || !has(self.limits.connectionsPerIdentity) || self.limits.connectionsPerIdentity == 0 || !has(self.auth) || !has(self.auth.subscribers) || has(self.auth.subscribers.jwt)",message="limits.connectionsPerIdentity needs auth.subscribers.jwt, since anonymous readers have no identity: write jwt, or leave connectionsPerIdentity out"
type EventStreamSpec struct {
	// topics lists what may be published and read; nothing else exists. Where several match a topic, the exact name wins,
	// then the pattern with more literal tokens, then `*` before `>`.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Topics []Topic `json:"topics,omitempty"`

	// retention bounds how much history is kept for readers that come back.
	// +optional
	Retention StreamRetention `json:"retention,omitzero"`

	// heartbeat keeps quiet connections alive.
	// +optional
	Heartbeat Heartbeat `json:"heartbeat,omitzero"`

	// reconnect says when readers come back.
	// +optional
	Reconnect Reconnect `json:"reconnect,omitzero"`

	// drain says how a hub that must stop lets its readers go.
	// +optional
	Drain Drain `json:"drain,omitzero"`

	// limits bounds what clients may take.
	// +optional
	Limits Limits `json:"limits,omitzero"`

	// cors says which web pages of other origins may read the stream. Unset, none may.
	// +optional
	CORS CORS `json:"cors,omitzero"`

	// auth says who may read and who may publish. auth.subscribers is required: nobody is let in by a built-in default.
	// +optional
	Auth *Auth `json:"auth,omitempty"`

	// tls encrypts the ports for readers and publishers: the Services then have port 443 instead of 80. Unset: clear text, for
	// a proxy before the hub to encrypt.
	// +optional
	TLS *TLS `json:"tls,omitempty"`

	// engine says where the history is kept.
	// +optional
	Engine *Engine `json:"engine,omitempty"`

	// template adds to the hub's pods. A change of it rolls them.
	// +optional
	Template *HubTemplate `json:"template,omitempty"`

	// upgradePolicy says when the hub gets the image that the operator has for new ones, which rolls its pods: OnOperatorUpgrade, as
	// soon as it is another than status.image and it is the stream's turn; Manual, never. Unset: what the operator's flag
	// --upgrade-policy says, which is Manual unless it was changed.
	// +optional
	UpgradePolicy UpgradePolicy `json:"upgradePolicy,omitempty"`

	// suspend stops the operator from changing anything of this stream; its hub goes on serving.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// UpgradePolicy says when a hub gets the operator's image.
//
// +kubebuilder:validation:Enum=OnOperatorUpgrade;Manual
type UpgradePolicy string

const (
	// UpgradeOnOperatorUpgrade rolls the hub to the operator's image when that changes, when it is the stream's turn.
	UpgradeOnOperatorUpgrade UpgradePolicy = "OnOperatorUpgrade"
	// UpgradeManual leaves the hub on the image that it has.
	UpgradeManual UpgradePolicy = "Manual"
)

// Topic declares one topic, or by a pattern many.
type Topic struct {
	// name is a topic such as orders.eu, or a pattern: the token `*` stands for one token, a last token `>` for one or more.
	// Tokens are parted by `.` and made of A-Z a-z 0-9 _ ~ -; at most 255 bytes and 16 tokens.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^(([A-Za-z0-9_~-]+|[*])[.])*([A-Za-z0-9_~-]+|[*]|>)$')",message="write tokens of A-Z a-z 0-9 _ ~ - parted by '.', such as orders.eu; '*' stands for one whole token, a last '>' for one or more"
	// +kubebuilder:validation:XValidation:rule="self.split('.').size() <= 16",message="write at most 16 tokens parted by '.'"
	Name string `json:"name,omitempty"`

	// retention overrides the stream's retention for each topic of this name or pattern.
	// +optional
	Retention TopicRetention `json:"retention,omitzero"`
}

// TopicRetention bounds the history of each single topic. The first bound that is reached evicts the oldest event.
type TopicRetention struct {
	// events is the largest number of events that a topic keeps, 1 to 1000000; 1 keeps the last value. Unset: the
	// stream's, or 100.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Events int32 `json:"events,omitempty"`

	// age is how long an event is kept at most, 1s to 720h, as a Go duration. Unset: the stream's, or 10m.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('720h')",message="write a duration between 1s and 720h, such as 10m or 1h30m"
	Age Duration `json:"age,omitempty"`
}

// StreamRetention bounds the history of a stream: of each topic by events and age, of the whole hub by bytes.
type StreamRetention struct {
	TopicRetention `json:",inline"`

	// bytes is the memory that a hub gives to retained events in all, its own overhead for them included: 1Mi to 64Gi.
	// The oldest events of the stream go first. Unset: 64Mi.
	// +optional
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('64Gi')) <= 0",message="write a quantity between 1Mi and 64Gi, such as 64Mi"
	Bytes *resource.Quantity `json:"bytes,omitempty"`
}

// Heartbeat keeps quiet connections alive: a comment line is sent when nothing else was for an interval.
type Heartbeat struct {
	// interval is the longest silence on a connection, 5s to 10m. Unset: 15s, which is below the idle timeout of every
	// common proxy.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('5s') && duration(self) <= duration('10m')",message="write a duration between 5s and 10m, such as 15s"
	Interval Duration `json:"interval,omitempty"`
}

// Reconnect says when readers come back.
type Reconnect struct {
	// delay is how long a reader waits before it comes back, 100ms to 5m. Each connection is told a random time between
	// delay and twice the delay, since browsers add no jitter of their own. Unset: 2s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('100ms') && duration(self) <= duration('5m')",message="write a duration between 100ms and 5m, such as 2s"
	Delay Duration `json:"delay,omitempty"`

	// maxConnectionAge ends a connection after at most this time, and no earlier than after 0.8 of it, so that readers
	// spread over new hubs: 10s to 24h. Unset: 30m.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('10s') && duration(self) <= duration('24h')",message="write a duration between 10s and 24h, such as 30m"
	MaxConnectionAge Duration `json:"maxConnectionAge,omitempty"`
}

// Drain says how a hub that must stop lets its readers go.
type Drain struct {
	// window is the time over which a stopping hub closes its connections evenly, 1s to 10m. It exits as soon as the last
	// is closed. Unset: 60s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('10m')",message="write a duration between 1s and 10m, such as 60s"
	Window Duration `json:"window,omitempty"`
}

// Limits bounds what clients may take.
type Limits struct {
	// connections is the largest number of readers of one hub at a time, 0 to 1000000; 0 is as many as the hub's file descriptors
	// and its memory limit are enough for, and any other number is bounded by the descriptors alone. Who comes beyond it is asked to
	// come back later. Unset: 20000.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Connections *int32 `json:"connections,omitempty"`

	// connectionsPerIdentity is the largest number of readers of one hub at a time that have the same identity, which is issuer
	// and subject of their tokens, 0 to 1000000; 0 is no limit. Who comes beyond it is asked to come back later. A browser
	// opens one connection for each tab. Unset: 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	ConnectionsPerIdentity *int32 `json:"connectionsPerIdentity,omitempty"`

	// eventBytes is the largest payload of one event, 1Ki to 4Mi. Unset: 256Ki.
	// +optional
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Ki')) >= 0 && quantity(string(self)).compareTo(quantity('4Mi')) <= 0",message="write a quantity between 1Ki and 4Mi, such as 256Ki"
	EventBytes *resource.Quantity `json:"eventBytes,omitempty"`

	// publishRate is how many events a second each publisher may send on average, 0 to 1000000; 0 is no limit. All who publish
	// without a token count as one. Unset: 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	PublishRate *int32 `json:"publishRate,omitempty"`
}

// CORS says which web pages of other origins may read the stream.
//
// +kubebuilder:validation:XValidation:rule="!has(self.allowCredentials) || !self.allowCredentials || (has(self.allowedOrigins) && !self.allowedOrigins.exists(o, o == '*'))",message="allowCredentials needs allowedOrigins to list the origins: browsers refuse credentials together with '*'"
type CORS struct {
	// allowedOrigins lists origins, such as https://shop.example, or the single entry `*` for every origin.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.all(o, o == '*' || o.matches('^https?://[a-z0-9.-]+(:[0-9]{1,5})?$') || o.matches('^https?://[[][0-9a-f:.]+[]](:[0-9]{1,5})?$'))",message="write each origin as a browser sends it: scheme, host in lower case and port if it is not the default, with no path, such as https://shop.example or http://localhost:3000; or '*'"
	// +kubebuilder:validation:XValidation:rule="self.size() <= 1 || !self.exists(o, o == '*')",message="'*' allows every origin: write it alone"
	AllowedOrigins []string `json:"allowedOrigins,omitempty"`

	// allowCredentials lets pages of the allowed origins read with cookies and other credentials
	// (EventSource's withCredentials).
	// +optional
	AllowCredentials bool `json:"allowCredentials,omitempty"`
}

// Engine says where the history is kept; exactly one of its fields is set.
//
// +kubebuilder:validation:XValidation:rule="has(self.memory)",message="write engine: {memory: {}}"
type Engine struct {
	// memory keeps it in the hub's memory, in one hub. A hub that is replaced hands it over to the next one; when one crashes it is
	// lost, and readers are told so.
	// +optional
	Memory *MemoryEngine `json:"memory,omitempty"`
}

// MemoryEngine has no settings: retention bounds its memory.
type MemoryEngine struct{}
