package config_test

import (
	"slices"
	"testing"

	"github.com/runnel-dev/runnel/hub/config"
)

func TestReferencesAreEachThereOnce(t *testing.T) {
	c := valid()
	if got := c.References(); len(got) != 0 {
		t.Errorf("of a configuration without any: %v", got)
	}
	secret := func(name, key string) config.Reference {
		return config.Reference{Kind: config.KindSecret, Name: name, Key: key}
	}
	jwks := config.Reference{Kind: config.KindConfigMap, Name: "shop", Key: "jwks.json"}
	hmac, tickets := secret("shop", "hmac"), secret("tickets", "key")
	c.TLS = &config.TLS{Secret: "shop-tls"}
	c.Auth.Subscribers.JWT = &config.JWT{Tickets: &tickets, Issuers: []config.TokenIssuer{{JWKS: &jwks}, {HMAC: &hmac}, {JWKSURI: "https://id"}, {JWKS: &jwks}}}
	c.Auth.Publishers.Keys = []config.Key{{Token: secret("shop-ci", "token")}, {Token: secret("shop", "hmac")}}
	want := []config.Reference{jwks, hmac, secret("shop-ci", "token"), secret("shop-tls", "tls.crt"), secret("shop-tls", "tls.key"), tickets}
	if got := c.References(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
