package dev

import (
	"net/url"
	"strings"
)

// keyURLs names the URLs of issuers' keys that lead into a cluster.
func (p *plan) keyURLs() {
	readers := p.config.Auth.Subscribers.JWT
	if readers == nil {
		return
	}
	for _, i := range readers.Issuers {
		u, err := url.Parse(i.JWKSURI)
		if err != nil {
			continue // none, since the definition refuses what is no URL
		}
		if host := u.Hostname(); strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".svc.cluster.local") {
			p.note("readers with tokens of issuer %s are not let in: only a cluster knows the host of %s", i.Issuer, i.JWKSURI)
		}
	}
}
