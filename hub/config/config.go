// Package config is the one configuration of a hub: the operator writes it, the hub reads it and refuses whatever it does
// not know.
package config

import (
	"encoding/json"
	"time"
)

// Version is the version of the document that this code writes and reads.
const Version = 1

// Ports of a hub. Each has its own Service or none, so that a route for browsers can never expose the rest.
const (
	// PortSubscribe serves browsers and other readers.
	PortSubscribe = 8080
	// PortPublish serves in-cluster publishers.
	PortPublish = 8081
	// PortAdmin serves probes, metrics and status; it has no Service.
	PortAdmin = 9090
)

// Built-in values of what a stream leaves unset.
const (
	DefaultRetentionEvents   = 100
	DefaultRetentionAge      = 10 * time.Minute
	DefaultRetentionBytes    = 64 << 20
	DefaultHeartbeatInterval = 15 * time.Second // below the idle timeout of every common proxy (30 s in HAProxy)
	DefaultReconnectDelay    = 2 * time.Second
	DefaultMaxConnectionAge  = 30 * time.Minute
	DefaultDrainWindow       = time.Minute
	DefaultConnections       = 20000
	DefaultEventBytes        = 256 << 10
)

// MaxDrainWindow is the longest drain that a configuration may ask for.
const MaxDrainWindow = 10 * time.Minute

// Config is everything that a hub is told. Every field is set: defaults are resolved by who writes it.
type Config struct {
	// Version of the document; a hub refuses one that it does not know.
	Version int `json:"version"`
	// Stream is the EventStream that the hub serves.
	Stream Stream `json:"stream"`
	// Topics declares what may be published and read, 1 to 256.
	Topics []Topic `json:"topics"`
	// Retention bounds the hub's history in all.
	Retention Retention `json:"retention"`
	// Heartbeat keeps quiet connections alive.
	Heartbeat Heartbeat `json:"heartbeat"`
	// Reconnect says when readers come back.
	Reconnect Reconnect `json:"reconnect"`
	// Drain says how a stopping hub lets its readers go.
	Drain Drain `json:"drain"`
	// Limits bounds what clients may take.
	Limits Limits `json:"limits"`
	// CORS says which web pages of other origins may read.
	CORS CORS `json:"cors,omitzero"`
	// Auth says who may read and publish.
	Auth Auth `json:"auth"`
}

// Stream names an EventStream.
type Stream struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// Topic declares a topic, or by a pattern many.
type Topic struct {
	// Name is an exact topic or a pattern.
	Name string `json:"name"`
	// Events is the largest number of events kept for each topic of this name, at least 1.
	Events int `json:"events"`
	// Age is how long an event is kept at most, at least 1s.
	Age Duration `json:"age"`
}

// Retention bounds the hub's history in all.
type Retention struct {
	// Bytes that retained events may take, the hub's own overhead for them included.
	Bytes int64 `json:"bytes"`
}

// Heartbeat keeps quiet connections alive.
type Heartbeat struct {
	// Interval is the longest silence on a connection, 5s to 10m.
	Interval Duration `json:"interval"`
}

// Reconnect says when readers come back.
type Reconnect struct {
	// Delay before a reader comes back, 100ms to 5m; each connection is told a random time between it and twice as much.
	Delay Duration `json:"delay"`
	// MaxConnectionAge ends a connection after 0.8 to 1.0 of this time, 10s to 24h.
	MaxConnectionAge Duration `json:"maxConnectionAge"`
}

// Drain says how a stopping hub lets its readers go.
type Drain struct {
	// Window over which connections are closed evenly, 0s to 10m.
	Window Duration `json:"window"`
}

// Limits bounds what clients may take.
type Limits struct {
	// Connections at a time; 0 is no limit.
	Connections int `json:"connections"`
	// EventBytes is the largest payload of one event.
	EventBytes int64 `json:"eventBytes"`
}

// CORS says which web pages of other origins may read.
type CORS struct {
	// AllowedOrigins as browsers send them, or the single entry "*".
	AllowedOrigins []string `json:"allowedOrigins,omitempty"`
	// AllowCredentials allows cookies and other credentials; not together with "*".
	AllowCredentials bool `json:"allowCredentials,omitempty"`
}

// Auth says who may read and publish.
type Auth struct {
	Subscribers Subscribers `json:"subscribers"`
	Publishers  Publishers  `json:"publishers"`
}

// Subscribers says who may read; exactly one field is set.
type Subscribers struct {
	Anonymous *Anonymous `json:"anonymous,omitempty"`
}

// Publishers says who may publish; exactly one field is set.
type Publishers struct {
	ServiceAccounts *ServiceAccounts `json:"serviceAccounts,omitempty"`
	Anonymous       *Anonymous       `json:"anonymous,omitempty"`
}

// Anonymous lets everybody in.
type Anonymous struct{}

// ServiceAccounts lets in Kubernetes ServiceAccounts by tokens of their cluster.
type ServiceAccounts struct {
	// Audience that a token must have.
	Audience string `json:"audience"`
	// Issuers of the cluster's tokens. None yet is possible: publishers are then asked to come back.
	Issuers []Issuer `json:"issuers,omitempty"`
	// Grants lists who may publish where, at least one.
	Grants []Grant `json:"grants"`
}

// Issuer is an issuer of tokens with its public keys.
type Issuer struct {
	// URL is the tokens' "iss".
	URL string `json:"url"`
	// Keys is a JSON Web Key Set (RFC 7517, section 5).
	Keys json.RawMessage `json:"keys"`
}

// Grant lets ServiceAccounts publish to topics.
type Grant struct {
	Namespace string `json:"namespace"`
	// Name of the ServiceAccount; empty is every one of the namespace.
	Name string `json:"name,omitempty"`
	// Topics are topics and patterns that may be published to, at least one.
	Topics []string `json:"topics"`
}

// Duration is a length of time, written as in Go.
type Duration time.Duration

// D returns d as a time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// MarshalJSON writes the form of time.Duration.String.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads what time.ParseDuration reads.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := time.ParseDuration(s)
	*d = Duration(v)
	return err
}
