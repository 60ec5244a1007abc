package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Entries of a Secret of type kubernetes.io/tls.
const (
	TLSCertificateKey = "tls.crt"
	TLSPrivateKeyKey  = "tls.key"
)

// Bounds of a reference: those of Kubernetes for the names of objects (RFC 1123, section 2.1) and the keys of their data.
const maxReferenceBytes = 253

// Certificate is the entry with the certificate and those that vouch for it.
func (t TLS) Certificate() Reference { return Reference{KindSecret, t.Secret, TLSCertificateKey} }

// PrivateKey is the entry with the certificate's private key.
func (t TLS) PrivateKey() Reference { return Reference{KindSecret, t.Secret, TLSPrivateKeyKey} }

// Validate checks the form, so that no reference leads out of the directory that it is looked for in. The error says what to write.
func (r Reference) Validate() error {
	switch {
	case r.Kind != KindSecret && r.Kind != KindConfigMap:
		return fmt.Errorf("kind %q is not known: write %s or %s", r.Kind, KindSecret, KindConfigMap)
	case !validObjectName(r.Name):
		return fmt.Errorf("name %q is malformed: write 1 to %d bytes of a-z 0-9 - . that begin and end with a letter or digit", r.Name, maxReferenceBytes)
	case !validKey(r.Key):
		return fmt.Errorf("key %q is malformed: write 1 to %d bytes of A-Z a-z 0-9 - _ . that do not begin with '..'", r.Key, maxReferenceBytes)
	}
	return nil
}

// validObjectName is a little more generous than Kubernetes: dots may follow each other or a dash.
func validObjectName(s string) bool {
	return s != "" && len(s) <= maxReferenceBytes && strings.Trim(s, "-.") == s && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
	})
}

func validKey(s string) bool {
	return s != "" && s != "." && len(s) <= maxReferenceBytes && !strings.HasPrefix(s, "..") && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}

// References are all that a configuration names, each once and in order.
func (c *Config) References() []Reference {
	all := c.Credentials()
	if c.TLS != nil {
		all = append(all, c.TLS.Certificate(), c.TLS.PrivateKey())
	}
	if readers := c.Auth.Subscribers.JWT; readers != nil {
		for _, i := range readers.Issuers {
			all = appendSet(appendSet(all, i.JWKS), i.CABundle)
		}
	}
	slices.SortFunc(all, func(a, b Reference) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Key, b.Key))
	})
	return slices.Compact(all)
}

// Credentials are the references to what lets in whoever knows it: publishers' keys, and the secrets of readers' tokens and of tickets.
func (c *Config) Credentials() (all []Reference) {
	for _, k := range c.Auth.Publishers.Keys {
		all = append(all, k.Token)
	}
	readers := c.Auth.Subscribers.JWT
	if readers == nil {
		return all
	}
	for _, i := range readers.Issuers {
		all = appendSet(all, i.HMAC)
	}
	return appendSet(all, readers.Tickets)
}

func appendSet(all []Reference, optional *Reference) []Reference {
	if optional == nil {
		return all
	}
	return append(all, *optional)
}
