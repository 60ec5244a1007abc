package config

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// Bounds of who may read and publish, the same as in the resource's schema.
const (
	maxTokenIssuers = 16
	maxAudiences    = 16
	maxIssuers      = 16 // of a cluster: the one that is, and those that were until a moment ago
	maxGrants       = 64
	maxKeys         = 64
	maxGrantTopics  = 64
	maxNameBytes    = 253
	maxURLBytes     = 2048

	maxTokenLifetime = 87600 * time.Hour // ten years
)

func (v *checker) subscribers(s Subscribers) {
	const path = "auth.subscribers"
	if count(s.Anonymous != nil, s.JWT != nil, s.Nobody != nil) != 1 {
		v.fail(path, "exactly one of anonymous and jwt must be set, or nobody")
	}
	if s.JWT == nil {
		return
	}
	bounds(v, path+".jwt.issuers", len(s.JWT.Issuers), 1, maxTokenIssuers)
	names := map[string]bool{}
	for i, is := range s.JWT.Issuers {
		at := fmt.Sprintf("%s.jwt.issuers[%d]", path, i)
		v.tokenIssuer(at, is)
		if names[is.Issuer] {
			v.fail(at+".issuer", "%q is there twice: what its tokens may read would depend on the order", is.Issuer)
		}
		names[is.Issuer] = true
	}
	if s.JWT.Cookie != "" && !validCookieName(s.JWT.Cookie) {
		v.fail(path+".jwt.cookie", "%q is no name of a cookie: write at most %d bytes of letters, digits and !#$%%&'*+-.^_`|~, such as __Secure-runnel", s.JWT.Cookie, maxNameBytes)
	}
	v.optional(path+".jwt.tickets", s.JWT.Tickets)
}

func (v *checker) tokenIssuer(path string, is TokenIssuer) {
	v.text(path+".issuer", is.Issuer, maxURLBytes)
	bounds(v, path+".audiences", len(is.Audiences), 1, maxAudiences)
	for i, a := range is.Audiences {
		v.text(fmt.Sprintf("%s.audiences[%d]", path, i), a, maxURLBytes)
	}
	if count(is.JWKSURI != "", is.JWKS != nil, is.HMAC != nil) != 1 {
		v.fail(path, "exactly one of jwksURI, jwks and hmac must be set")
	}
	if is.JWKSURI != "" && !validKeyURL(is.JWKSURI) {
		v.fail(path+".jwksURI", "must be an absolute http or https URL of at most %d bytes, without user and fragment", maxURLBytes)
	}
	if is.CABundle != nil && is.JWKSURI == "" {
		v.fail(path+".caBundle", "it is for the server of jwksURI, which is not set")
	}
	v.optional(path+".caBundle", is.CABundle)
	v.optional(path+".jwks", is.JWKS)
	v.optional(path+".hmac", is.HMAC)
	if count(len(is.Topics) > 0, is.TopicsClaim != "") != 1 {
		v.fail(path, "exactly one of topics and topicsClaim must be set")
	}
	bounds(v, path+".topics", len(is.Topics), 0, maxGrantTopics)
	for i, t := range is.Topics {
		if _, err := ParseTemplate(t); err != nil {
			v.fail(fmt.Sprintf("%s.topics[%d]", path, i), "%v", err)
		}
	}
	if is.MaxTokenLifetime != 0 {
		bounds(v, path+".maxTokenLifetime", is.MaxTokenLifetime, Duration(time.Minute), Duration(maxTokenLifetime))
	}
	if is.TopicsClaim != "" {
		if err := ValidateClaim(is.TopicsClaim); err != nil {
			v.fail(path+".topicsClaim", "%v", err)
		}
	}
}

func (v *checker) publishers(p Publishers) {
	const path = "auth.publishers"
	if count(p.Anonymous != nil, p.Nobody != nil, p.ServiceAccounts != nil || len(p.Keys) > 0) != 1 {
		v.fail(path, "either anonymous alone, or serviceAccounts or keys or both must be set, or nobody")
	}
	bounds(v, path+".keys", len(p.Keys), 0, maxKeys)
	names := map[string]bool{}
	for i, k := range p.Keys {
		at := fmt.Sprintf("%s.keys[%d]", path, i)
		v.text(at+".name", k.Name, maxNameBytes)
		if names[k.Name] {
			v.fail(at+".name", "%q is there twice", k.Name)
		}
		names[k.Name] = true
		v.reference(at+".token", k.Token)
		v.grant(at+".topics", k.Topics)
	}
	if p.ServiceAccounts != nil {
		v.serviceAccounts(path+".serviceAccounts", *p.ServiceAccounts)
	}
}

func (v *checker) issuers(path string, issuers []Issuer) {
	bounds(v, path, len(issuers), 0, maxIssuers)
	for i, is := range issuers {
		at := fmt.Sprintf("%s[%d]", path, i)
		v.text(at+".url", is.URL, maxURLBytes)
		if !json.Valid(is.Keys) {
			v.fail(at+".keys", "must be a JSON Web Key Set")
		}
	}
}

func (v *checker) serviceAccounts(path string, s ServiceAccounts) {
	v.text(path+".audience", s.Audience, maxURLBytes)
	bounds(v, path+".grants", len(s.Grants), 1, maxGrants)
	for i, g := range s.Grants {
		at := fmt.Sprintf("%s.grants[%d]", path, i)
		v.text(at+".namespace", g.Namespace, maxNameBytes)
		v.text(at+".name", g.Name, maxNameBytes)
		v.grant(at+".topics", g.Topics)
	}
}

// grant checks topics and patterns.
func (v *checker) grant(path string, topics []string) {
	bounds(v, path, len(topics), 1, maxGrantTopics)
	for i, t := range topics {
		if _, err := event.ParseSelector(t); err != nil {
			v.fail(fmt.Sprintf("%s[%d]", path, i), "%v", err)
		}
	}
}

func (v *checker) reference(path string, r Reference) {
	if err := r.Validate(); err != nil {
		v.fail(path, "%v", err)
	}
}

func (v *checker) optional(path string, r *Reference) {
	if r != nil {
		v.reference(path, *r)
	}
}

// text checks that something is there and has its bounds.
func (v *checker) text(path, s string, most int) {
	if s == "" || len(s) > most {
		v.fail(path, "must be set and have at most %d bytes", most)
	}
}

func validKeyURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxURLBytes && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && !strings.Contains(s, "#")
}

// validCookieName follows RFC 6265, section 4.1.1.
func validCookieName(s string) bool {
	return len(s) <= maxNameBytes && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

func count(set ...bool) (n int) {
	for _, is := range set {
		if is {
			n++
		}
	}
	return n
}
