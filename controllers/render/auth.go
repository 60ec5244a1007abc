package render

import (
	"cmp"

	"k8s.io/utils/ptr"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/hub/config"
)

// everyTopic is the pattern that every topic matches.
const everyTopic = ">"

// Keys of entries whose reference names none, as people name them when they make such a Secret or ConfigMap.
const (
	keyOfToken    = "token"
	keyOfKeySet   = "jwks.json"
	keyOfSecret   = "key"
	keyOfCABundle = "ca.crt"
)

// subscribers returns who may read. It is empty when the spec does not say, which Config refuses.
func (v *reader) subscribers(a *v1alpha1.SubscriberAuth) config.Subscribers {
	switch {
	case a == nil:
		return config.Subscribers{}
	case a.JWT == nil && a.Anonymous == nil:
		return config.Subscribers{}
	case a.JWT == nil:
		return config.Subscribers{Anonymous: &config.Anonymous{}}
	}
	j := &config.JWT{Cookie: a.JWT.Cookie, AllowQueryToken: ptr.Deref(a.JWT.AllowQueryToken, false)}
	if t := a.JWT.Tickets; t != nil {
		j.Tickets = secret(t.SecretRef, keyOfSecret)
	}
	for _, i := range a.JWT.Issuers {
		j.Issuers = append(j.Issuers, v.tokenIssuer(i))
	}
	return config.Subscribers{JWT: j}
}

func (v *reader) tokenIssuer(i v1alpha1.TokenIssuer) config.TokenIssuer {
	out := config.TokenIssuer{Issuer: i.Issuer, Audiences: i.Audiences, JWKSURI: i.JWKSURI, Topics: i.Topics, TopicsClaim: i.TopicsClaim}
	out.MaxTokenLifetime = config.Duration(v.duration("auth.subscribers.jwt.issuers["+i.Issuer+"].maxTokenLifetime", i.MaxTokenLifetime, config.DefaultMaxTokenLifetime))
	if i.CABundleRef != nil {
		out.CABundle = entry(config.KindConfigMap, i.CABundleRef.ConfigMapRef, keyOfCABundle)
	}
	switch {
	case i.JWKS != nil && i.JWKS.ConfigMapRef != nil:
		out.JWKS = entry(config.KindConfigMap, *i.JWKS.ConfigMapRef, keyOfKeySet)
	case i.JWKS != nil && i.JWKS.SecretRef != nil:
		out.JWKS = secret(*i.JWKS.SecretRef, keyOfKeySet)
	case i.HMAC != nil:
		out.HMAC = secret(i.HMAC.SecretRef, keyOfSecret)
	}
	return out
}

// publishers returns who may publish: every ServiceAccount of the stream's own namespace when the spec says nothing.
func publishers(s *v1alpha1.EventStream) (anonymous bool, grants []config.Grant, keys []config.Key) {
	if s.Spec.Auth == nil || s.Spec.Auth.Publishers == nil {
		return false, []config.Grant{{Namespace: s.Namespace, Name: config.EveryAccount, Topics: []string{everyTopic}}}, nil
	}
	p := s.Spec.Auth.Publishers
	if p.Anonymous != nil {
		return true, nil, nil
	}
	for _, g := range p.ServiceAccounts {
		grants = append(grants, config.Grant{Namespace: cmp.Or(g.Namespace, s.Namespace), Name: g.Name, Topics: orEvery(g.Topics)})
	}
	for _, k := range p.Keys {
		keys = append(keys, config.Key{Name: k.Name, Token: *secret(k.SecretRef, keyOfToken), Topics: orEvery(k.Topics)})
	}
	return false, grants, keys
}

func orEvery(topics []string) []string {
	if len(topics) == 0 {
		return []string{everyTopic}
	}
	return topics
}

func secret(r v1alpha1.EntryReference, key string) *config.Reference {
	return entry(config.KindSecret, r, key)
}

// entry is what a reference names; key is that of a reference which names none.
func entry(kind string, r v1alpha1.EntryReference, key string) *config.Reference {
	return &config.Reference{Kind: kind, Name: r.Name, Key: cmp.Or(r.Key, key)}
}
