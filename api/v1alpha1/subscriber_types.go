package v1alpha1

// SubscriberAuth says who may read; exactly one of its fields is set.
//
// +kubebuilder:validation:XValidation:rule="has(self.anonymous) != has(self.jwt)",reason=FieldValueInvalid,message="write either anonymous: {} to let everybody read, or jwt: {issuers: [...]} to let in subscribers by their tokens"
type SubscriberAuth struct {
	// anonymous lets everybody who reaches the subscribe port read every topic.
	// +optional
	Anonymous *Anonymous `json:"anonymous,omitempty"`

	// jwt lets in readers by JSON Web Tokens (RFC 7519). A reader is closed when its token expires, and comes back with a new one.
	// +optional
	JWT *JWTAuth `json:"jwt,omitempty"`
}

// JWTAuth says whose tokens are taken, and from where in a request. The Authorization header is always one of these places.
type JWTAuth struct {
	// issuers lists who makes the tokens, and what each one's tokens let read: two issuers' `alice` are two people.
	// +required
	// +listType=map
	// +listMapKey=issuer
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Issuers []TokenIssuer `json:"issuers,omitempty"`

	// cookie is the name of a cookie that may hold the token as well, since a browser's EventSource sends no header of a page's
	// choice. Pages of other origins need cors.allowCredentials for it. Unset: none.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches(r'^[!#-&\\x27*+.^_\\x60|~0-9A-Za-z-]+$')",message="write the name of a cookie: letters, digits and ! # $ % & ' * + - . ^ _ ` | ~, such as __Secure-runnel"
	Cookie string `json:"cookie,omitempty"`

	// tickets has the hub give out tickets: a page POSTs its token to /v1/tickets of the subscribe port, and opens its
	// EventSource with ?ticket=. Unset: none.
	// +optional
	Tickets *Tickets `json:"tickets,omitempty"`

	// allowQueryToken also takes the token from the query, as ?access_token=. It leaks: addresses are in the logs of every
	// proxy on the way, in the browser's history and in error reports, and whoever reads them there can use the token until it
	// expires. It is for clients that can send neither header nor cookie nor ask for a ticket.
	// +optional
	AllowQueryToken *bool `json:"allowQueryToken,omitempty"`
}

// Tickets are short-lived stand-ins for a token, for a browser's EventSource.
type Tickets struct {
	// secretRef names the Secret that tickets are sealed with, at least 32 random bytes. Its key, if unset, is key. Whoever
	// knows it can make tickets. With new contents, tickets that were given out before are no longer taken.
	// +required
	SecretRef EntryReference `json:"secretRef,omitzero"`
}

// TokenIssuer makes subscribers' tokens.
//
// +kubebuilder:validation:XValidation:rule="!has(self.caBundleRef) || has(self.jwksURI)",fieldPath=".caBundleRef",reason=FieldValueForbidden,message="caBundleRef is for the server of jwksURI: write jwksURI, or leave caBundleRef out"
// +kubebuilder:validation:XValidation:rule="[has(self.jwksURI), has(self.jwks), has(self.hmac)].exists_one(x, x)",reason=FieldValueInvalid,message="write exactly one of jwksURI, jwks and hmac: by it the tokens are verified"
// +kubebuilder:validation:XValidation:rule="has(self.topics) != has(self.topicsClaim)",fieldPath=".topics",reason=FieldValueInvalid,message="write either topics, such as [public.>, 'users.{sub}.>'], or topicsClaim: they say what the tokens let read"
type TokenIssuer struct {
	// issuer is what the tokens have as their "iss", byte by byte.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Issuer string `json:"issuer,omitempty"`

	// audiences lists what the tokens must have one of as their "aud".
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	Audiences []string `json:"audiences,omitempty"`

	// jwksURI is where the issuer publishes its keys, a JSON Web Key Set (RFC 7517, section 5); the discovery document of
	// OpenID Connect calls it jwks_uri. Each hub fetches it by itself, and anew when a token names a key that it does not know.
	// http:// is allowed only for Services of the cluster, such as id.infra.svc, and for the pod itself: an attacker who changes
	// an answer without TLS could give anybody access.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches(r'^(https://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[[][0-9A-Fa-f:.]+[]])|http://([a-z0-9-]+[.][a-z0-9-]+[.]svc|localhost|127[.][0-9]+[.][0-9]+[.][0-9]+|[[]::1[]]))(:[0-9]{1,5})?([/?][!$-~]*)?$')",message="write an absolute https:// URL, such as https://id.example/keys; http:// only for a Service of the cluster, <service>.<namespace>.svc, such as http://id.infra.svc/keys, or localhost"
	JWKSURI string `json:"jwksURI,omitempty"`

	// caBundleRef names the certificates of the authorities that sign the certificate of jwksURI's server, in PEM, for a private
	// authority. The hub then trusts no others there. New contents hold from the next fetch on. Unset: the authorities that the
	// hub's image trusts.
	// +optional
	CABundleRef *CABundle `json:"caBundleRef,omitempty"`

	// jwks names a ConfigMap or Secret that holds the issuer's keys, a JSON Web Key Set (RFC 7517, section 5).
	// +optional
	JWKS *KeySet `json:"jwks,omitempty"`

	// hmac names the secret by which the issuer signs with HS256, HS384 or HS512. Who can verify such tokens can make them:
	// prefer an issuer with public keys.
	// +optional
	HMAC *HMAC `json:"hmac,omitempty"`

	// maxTokenLifetime is how long a token may be valid, from its "iat", or from now without one, to its "exp": 1m to 87600h. Tokens
	// that are valid for longer are refused: an "exp" in milliseconds, for instance, would make a token that never expires.
	// Unset: 720h.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="write a duration between 1m and 87600h, such as 720h"
	MaxTokenLifetime Duration `json:"maxTokenLifetime,omitempty"`

	// topics lists what each token lets read: topics, patterns, and templates in which {claim} as a whole token stands for the
	// value of that claim, such as users.{sub}.>. A claim inside of others is written as a path, {tenant.id}. A template
	// grants nothing when the claim is missing.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^(([A-Za-z0-9_~-]+|[*]|[{][A-Za-z0-9_:/-]+([.][A-Za-z0-9_:/-]+)*[}])[.]){0,15}([A-Za-z0-9_~-]+|[*]|>|[{][A-Za-z0-9_:/-]+([.][A-Za-z0-9_:/-]+)*[}])$') && !self.matches('[{][^}]{65}')",message="write a topic, a pattern or a template of at most 16 tokens of A-Z a-z 0-9 _ ~ - parted by '.', such as orders.eu, public.> or users.{sub}.>; a claim in braces is a whole token of at most 64 bytes"
	Topics []string `json:"topics,omitempty"`

	// topicsClaim is the path of the claim that itself lists the topics and patterns that a token lets read, such as
	// runnel.topics. Unlike with topics, the issuer then grants whatever it writes.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_:/-]+([.][A-Za-z0-9_:/-]+)*$')",message="write the path of a claim: names of A-Z a-z 0-9 _ : / - parted by '.', such as runnel.topics"
	TopicsClaim string `json:"topicsClaim,omitempty"`
}

// CABundle holds certificates in PEM.
type CABundle struct {
	// configMapRef names the ConfigMap. Its key, if unset, is ca.crt.
	// +required
	ConfigMapRef EntryReference `json:"configMapRef,omitzero"`
}

// KeySet holds an issuer's keys; exactly one of its fields is set.
//
// +kubebuilder:validation:XValidation:rule="has(self.configMapRef) != has(self.secretRef)",reason=FieldValueInvalid,message="write either configMapRef or secretRef, such as configMapRef: {name: issuer}"
type KeySet struct {
	// configMapRef names the ConfigMap. Its key, if unset, is jwks.json.
	// +optional
	ConfigMapRef *EntryReference `json:"configMapRef,omitempty"`

	// secretRef names the Secret. Its key, if unset, is jwks.json.
	// +optional
	SecretRef *EntryReference `json:"secretRef,omitempty"`
}

// HMAC is a secret that an issuer and the hub share.
type HMAC struct {
	// secretRef names the Secret that holds it, at least 32 random bytes. Its key, if unset, is key.
	// +required
	SecretRef EntryReference `json:"secretRef,omitzero"`
}
