package config

import (
	"encoding/json"
)

// Auth says who may read and publish.
type Auth struct {
	Subscribers Subscribers `json:"subscribers"`
	Publishers  Publishers  `json:"publishers"`
	// Issuers of the cluster's ServiceAccount tokens, by which publishers and other hubs are known. None yet is possible: publishers are
	// then asked to come back.
	Issuers []Issuer `json:"issuers,omitempty"`
}

// Subscribers says who may read; exactly one field is set.
type Subscribers struct {
	Anonymous *Anonymous `json:"anonymous,omitempty"`
	JWT       *JWT       `json:"jwt,omitempty"`
	Nobody    *Nobody    `json:"nobody,omitempty"`
}

// JWT lets in readers by JSON Web Tokens (RFC 7519).
type JWT struct {
	// Issuers of tokens, 1 to 16. What a token may read is its own issuer's to say.
	Issuers []TokenIssuer `json:"issuers"`
	// Cookie that may hold the token, besides the Authorization header; empty is none.
	Cookie string `json:"cookie,omitempty"`
	// Tickets holds the secret that tickets are sealed with, at least 32 bytes; nil gives out none.
	Tickets *Reference `json:"tickets,omitempty"`
	// AllowQueryToken also takes a token from the query, where logs show it.
	AllowQueryToken bool `json:"allowQueryToken,omitempty"`
}

// TokenIssuer makes readers' tokens. Exactly one of JWKSURI, JWKS and HMAC says how they are verified, and exactly one of Topics and
// TopicsClaim what they may read.
type TokenIssuer struct {
	// Issuer is the tokens' "iss".
	Issuer string `json:"issuer"`
	// Audiences of which a token must have one, at least one.
	Audiences []string `json:"audiences"`
	// JWKSURI is the http or https URL of a JSON Web Key Set.
	JWKSURI string `json:"jwksURI,omitempty"`
	// CABundle holds the certificates in PEM, the only ones that JWKSURI's server is trusted by; nil is what the system trusts.
	CABundle *Reference `json:"caBundle,omitempty"`
	// JWKS holds a JSON Web Key Set (RFC 7517, section 5).
	JWKS *Reference `json:"jwks,omitempty"`
	// HMAC holds the secret of HS256, HS384 and HS512, at least 32 bytes.
	HMAC *Reference `json:"hmac,omitempty"`
	// Topics are topics, patterns and templates in which {claim} stands for one token.
	Topics []string `json:"topics,omitempty"`
	// TopicsClaim is the path of the claim that lists topics and patterns, its parts parted by dots.
	TopicsClaim string `json:"topicsClaim,omitempty"`
	// MaxTokenLifetime is how long a token may be good, from its "iat", or from now without one, to its "exp": 1m to 87600h. Zero is
	// DefaultMaxTokenLifetime.
	MaxTokenLifetime Duration `json:"maxTokenLifetime,omitempty"`
}

// Kinds of what a Reference names.
const (
	KindSecret    = "Secret"
	KindConfigMap = "ConfigMap"
)

// ReferencesDir is where the pod mounts what references name: each entry is a file secrets/<name>/<key> or
// configmaps/<name>/<key> below it.
const ReferencesDir = "/run/runnel"

// Reference names an entry of a Secret or ConfigMap of the stream's namespace. It may be missing: the hub names it and goes on with
// the rest.
type Reference struct {
	// Kind is KindSecret or KindConfigMap.
	Kind string `json:"kind"`
	Name string `json:"name"`
	Key  string `json:"key"`
}

// String names the reference for a person.
func (r Reference) String() string { return r.Kind + " " + r.Name + ", key " + r.Key }

// Publishers are the clients that may publish. Anonymous and Nobody each exclude all other fields.
type Publishers struct {
	ServiceAccounts *ServiceAccounts `json:"serviceAccounts,omitempty"`
	// Keys are tokens that do not change by themselves, at most 64.
	Keys      []Key      `json:"keys,omitempty"`
	Anonymous *Anonymous `json:"anonymous,omitempty"`
	Nobody    *Nobody    `json:"nobody,omitempty"`
}

// Key is a static token that a publisher may send.
type Key struct {
	// Name of the publisher, for logs and for its events' ids.
	Name string `json:"name"`
	// Token holds it, 16 bytes to 8 KiB; white space around it does not count.
	Token Reference `json:"token"`
	// Topics are topics and patterns that may be published to, at least one.
	Topics []string `json:"topics"`
}

// Anonymous lets everybody in.
type Anonymous struct{}

// Nobody lets nobody in: every grant that the spec has needs a newer hub.
type Nobody struct{}

// ServiceAccounts lets in Kubernetes ServiceAccounts by tokens of their cluster.
type ServiceAccounts struct {
	// Audience that a token must have.
	Audience string `json:"audience"`
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

// EveryAccount as the name in a Grant stands for every ServiceAccount of the namespace.
const EveryAccount = "*"

// Grant lets ServiceAccounts publish to topics.
type Grant struct {
	Namespace string `json:"namespace"`
	// Name of the ServiceAccount, or EveryAccount.
	Name string `json:"name"`
	// Topics are topics and patterns that may be published to, at least one.
	Topics []string `json:"topics"`
}
