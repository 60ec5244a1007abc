// Package config is the one configuration of a hub: the operator writes it, the hub reads it and refuses whatever it does
// not know.
package config

import (
	"encoding/json"
	"fmt"
	"time"
)

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
	DefaultHeartbeatMinimum  = 5 * time.Second
	DefaultReconnectDelay    = 2 * time.Second
	DefaultMaxConnectionAge  = 30 * time.Minute
	DefaultDrainWindow       = time.Minute
	DefaultMaxEventSize      = 256 << 10
	DefaultMaxTokenLifetime  = 720 * time.Hour // a month: longer sessions renew their tokens
)

// MaxDrainWindow is the longest drain that a configuration may ask for.
const MaxDrainWindow = 10 * time.Minute

// Config is everything that a hub is told. Every field is set: defaults are resolved by who writes it.
type Config struct {
	// Version of the document, the lowest one that has all fields that are used; a hub refuses one that is newer than it knows.
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
	// TLS encrypts the ports for readers and publishers; nil leaves them in clear text.
	TLS *TLS `json:"tls,omitempty"`
	// Peers says how the stream's hubs find and know each other; nil is a hub that stands alone.
	Peers *Peers `json:"peers,omitempty"`
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
	// Interval is the longest silence on a connection, 1s to 10m.
	Interval Duration `json:"interval"`
	// Minimum is the shortest interval that a subscriber may ask for, 1s to Interval.
	Minimum Duration `json:"minimum"`
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
	// ConnectionsPerHub is how many subscribers may be connected at a time; 0 is as many as the process has descriptors and memory for.
	ConnectionsPerHub int `json:"connectionsPerHub,omitempty"`
	// ConnectionsPerIdentity at a time, of readers that have one; 0 is no limit.
	ConnectionsPerIdentity int `json:"connectionsPerIdentity,omitempty"`
	// MaxEventSize is the largest payload of one event.
	MaxEventSize int64 `json:"maxEventSize"`
	// EventsPerSecondPerPublisher is how many events a second each publisher may send; 0 is no limit.
	EventsPerSecondPerPublisher int `json:"eventsPerSecondPerPublisher,omitempty"`
}

// CORS says which web pages of other origins may read.
type CORS struct {
	// AllowedOrigins as browsers send them, `https://*.host` for those below a host, or the single entry "*".
	AllowedOrigins []string `json:"allowedOrigins,omitempty"`
	// AllowCredentials allows cookies and other credentials; not together with "*".
	AllowCredentials bool `json:"allowCredentials,omitempty"`
}

// TLS names the certificate of the ports for readers and publishers.
type TLS struct {
	// Secret of type kubernetes.io/tls. Until it is there, no connection gets through.
	Secret string `json:"secret"`
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
	err := json.Unmarshal(b, &s)
	if err == nil {
		var v time.Duration
		v, err = time.ParseDuration(s)
		*d = Duration(v)
	}
	if err != nil {
		return fmt.Errorf("%.40s is no duration: write one such as \"15s\"", b)
	}
	return nil
}
