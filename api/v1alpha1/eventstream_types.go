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
// +kubebuilder:printcolumn:name="Engine",type=string,priority=1,JSONPath=`.spec.engine.type`
// +kubebuilder:printcolumn:name="Publish URL",type=string,priority=1,JSONPath=`.status.address.url`
// +kubebuilder:printcolumn:name="Image",type=string,priority=1,JSONPath=`.status.image`
// +kubebuilder:printcolumn:name="Status",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
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

	// status is what the operator last saw of the stream. observedGeneration is -1 until the first reconcile, so that waiting on
	// generations does not succeed early.
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

// EventStreamSpec is what a stream shall be. All of it but template and imagePolicy reloads in the running hub; only a Secret or
// ConfigMap that it names for the first time, or no longer, rolls the pods, since they mount it. When pods roll, the new hub takes
// history and cursors over before the old one lets its readers go.
//
// +kubebuilder:validation:XValidation:rule="has(self.auth) && has(self.auth.subscribers)",fieldPath=".auth.subscribers",reason=FieldValueRequired,message="auth.subscribers is required: write auth: {subscribers: {anonymous: {}}} to let everybody read"
// +kubebuilder:validation:XValidation:rule="!has(self.limits) || !has(self.limits.connectionsPerIdentity) || !has(self.auth) || !has(self.auth.subscribers) || has(self.auth.subscribers.jwt)",fieldPath=".limits.connectionsPerIdentity",reason=FieldValueForbidden,message="it needs auth.subscribers.jwt, since anonymous subscribers have no identity: write jwt, or leave connectionsPerIdentity out"
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

	// imagePolicy says when the hub gets the image that the operator has for new hubs. Pinned: never, and the hub keeps the image
	// of its Deployment. FollowOperator: as soon as the operator's image changes and it is the stream's turn; the pods roll. A hub
	// that was never available follows the operator's image in any case. Unset: what the operator's flag --image-policy says,
	// which is Pinned unless it was changed.
	// +optional
	ImagePolicy ImagePolicy `json:"imagePolicy,omitempty"`

	// suspend stops the operator from changing anything of this stream; its hub goes on serving.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// ImagePolicy says when a hub gets the operator's image.
//
// +kubebuilder:validation:Enum=Pinned;FollowOperator
type ImagePolicy string

const (
	// ImagePinned leaves the hub on the image that it has.
	ImagePinned ImagePolicy = "Pinned"
	// ImageFollowOperator rolls the hub to the operator's image when that changes and it is the stream's turn.
	ImageFollowOperator ImagePolicy = "FollowOperator"
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
	Events *int32 `json:"events,omitempty"`

	// age is how long an event is kept at most, 1s to 720h. Unset: the stream's, or 10m.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('720h')",message="write a duration between 1s and 720h, such as 10m or 1h30m"
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

// Heartbeat keeps quiet connections alive: the hub sends a comment line when it sent nothing else for an interval.
//
// +kubebuilder:validation:XValidation:rule="!has(self.minimum) || duration(self.minimum) <= (has(self.interval) ? duration(self.interval) : duration('15s'))",fieldPath=".minimum",reason=FieldValueInvalid,message="write at most the heartbeat's interval, which is 15s where it is unset"
type Heartbeat struct {
	// interval is the longest silence on a connection, 1s to 10m. Unset: 15s, which is below the idle timeout of every
	// common proxy.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('10m')",message="write a duration between 1s and 10m, such as 15s"
	Interval Duration `json:"interval,omitempty"`

	// minimum is the shortest interval that a subscriber may ask for by ?heartbeat=, 1s to the interval. Unset: 5s, or the interval
	// where that is shorter.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('10m')",message="write a duration between 1s and 10m, such as 5s"
	Minimum Duration `json:"minimum,omitempty"`
}

// Reconnect says when readers come back.
type Reconnect struct {
	// delay is how long a reader waits before it comes back, 100ms to 5m. Each connection is told a random time between
	// delay and twice the delay, since browsers add no jitter of their own. Unset: 2s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('100ms') && duration(self) <= duration('5m')",message="write a duration between 100ms and 5m, such as 2s"
	Delay Duration `json:"delay,omitempty"`

	// maxConnectionAge ends a connection after at most this time, and no earlier than after 0.8 of it, so that readers
	// spread over new hubs: 10s to 24h. Unset: 30m.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('10s') && duration(self) <= duration('24h')",message="write a duration between 10s and 24h, such as 30m"
	MaxConnectionAge Duration `json:"maxConnectionAge,omitempty"`
}

// Drain says how a hub that must stop lets its readers go.
type Drain struct {
	// window is the time over which a stopping hub closes its connections evenly, 1s to 10m. It exits as soon as the last
	// is closed. A change from at most 60s to more, or back, replaces the hub, since its pod's grace period changes. Unset: 60s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('10m')",message="write a duration between 1s and 10m, such as 60s"
	Window Duration `json:"window,omitempty"`
}

// Limits bounds what clients may take.
type Limits struct {
	// connectionsPerHub is the largest number of subscribers that one hub serves at a time, 1 to 1000000. Its file descriptors bound
	// the number as well. Further subscribers get a retry hint and are closed. Unset: as many as the hub's file descriptors and memory
	// limit allow.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	ConnectionsPerHub *int32 `json:"connectionsPerHub,omitempty"`

	// connectionsPerIdentity is the largest number of subscribers with the same identity, the issuer and subject of their tokens,
	// that one hub serves at a time, 1 to 1000000. Further ones get a retry hint and are closed. A browser opens one connection for
	// each tab. Unset: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	ConnectionsPerIdentity *int32 `json:"connectionsPerIdentity,omitempty"`

	// eventsPerSecondPerPublisher is how many events a second each publisher may send on average, 1 to 1000000. All publishers
	// without a token count as one. Each hub counts for itself. Unset: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	EventsPerSecondPerPublisher *int32 `json:"eventsPerSecondPerPublisher,omitempty"`

	// maxEventSize is the largest payload of one event, 1Ki to 4Mi. Unset: 256Ki.
	// +optional
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Ki')) >= 0 && quantity(string(self)).compareTo(quantity('4Mi')) <= 0",message="write a quantity between 1Ki and 4Mi, such as 256Ki"
	MaxEventSize *resource.Quantity `json:"maxEventSize,omitempty"`
}

// CORS says which web pages of other origins may read the stream.
//
// +kubebuilder:validation:XValidation:rule="!has(self.allowCredentials) || !self.allowCredentials || (has(self.allowedOrigins) && !self.allowedOrigins.exists(o, o == '*'))",fieldPath=".allowCredentials",reason=FieldValueInvalid,message="allowCredentials needs allowedOrigins to list the origins: browsers refuse credentials together with '*'"
type CORS struct {
	// allowedOrigins lists origins, such as https://shop.example. https://*.shop.example stands for every host below shop.example,
	// at any depth, and capacitor://localhost or ionic://localhost for an app. The single entry `*` stands for every origin.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:XValidation:rule="self == '*' || self.matches('^https?://([*][.])?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$') || self.matches('^https?://[[][0-9a-f:.]+[]](:[0-9]{1,5})?$') || self.matches('^[a-z][a-z0-9+.-]*://[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="write an origin as a browser sends it: scheme, host in lower case and port if it is not the default, with no path, such as https://shop.example, https://*.shop.example, http://localhost:3000 or capacitor://localhost; or '*'"
	// +kubebuilder:validation:XValidation:rule="self.size() <= 1 || !self.exists(o, o == '*')",message="'*' allows every origin: write it alone"
	AllowedOrigins []string `json:"allowedOrigins,omitzero"`

	// allowCredentials lets pages of the allowed origins read with cookies and other credentials
	// (EventSource's withCredentials).
	// +optional
	AllowCredentials *bool `json:"allowCredentials,omitempty"`
}

// Engine says where the history is kept. Type is the union's discriminator.
type Engine struct {
	// type is Memory: the hub keeps the history in its memory. A hub that is replaced hands the history over to the next one; when a
	// hub crashes the history is lost, and subscribers are told so.
	// +required
	Type EngineType `json:"type,omitempty"`
}

// EngineType names an engine.
//
// +kubebuilder:validation:Enum=Memory
type EngineType string

// EngineMemory keeps the history in the hub's memory.
const EngineMemory EngineType = "Memory"
