package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
)

// withAll has every way to read and publish.
func withAll() *config.Config {
	c := valid()
	secret := func(name string) *config.Reference {
		return &config.Reference{Kind: config.KindSecret, Name: name, Key: "key"}
	}
	issuer := func(name string, change func(*config.TokenIssuer)) config.TokenIssuer {
		is := config.TokenIssuer{Issuer: name, Audiences: []string{"shop"}}
		change(&is)
		return is
	}
	c.Auth.Subscribers = config.Subscribers{JWT: &config.JWT{
		Issuers: []config.TokenIssuer{
			issuer("https://a", func(i *config.TokenIssuer) {
				i.JWKSURI, i.Topics = "https://a/keys?v=1", []string{"public.>", "users.{sub}.>"}
			}),
			issuer("https://b", func(i *config.TokenIssuer) { i.JWKS, i.TopicsClaim = secret("b"), "runnel.topics" }),
			issuer("c", func(i *config.TokenIssuer) { i.HMAC, i.Topics = secret("c"), []string{">"} }),
		},
		Cookie: "__Secure-runnel", Tickets: secret("tickets"), AllowQueryToken: true,
	}}
	c.Auth.Publishers.Keys = []config.Key{{Name: "ci", Token: *secret("ci"), Topics: []string{"orders"}}, {Name: "bot", Token: *secret("bot"), Topics: []string{">"}}}
	c.TLS = &config.TLS{Secret: "shop-tls"}
	c.Limits.ConnectionsPerIdentity, c.Limits.EventsPerSecondPerPublisher = 5, 100
	return c
}

func TestAllThatAConfigurationMaySayIsAccepted(t *testing.T) {
	keysAlone := withAll()
	keysAlone.Auth.Publishers.ServiceAccounts = nil
	for i, c := range []*config.Config{withAll(), keysAlone} {
		b, err := config.Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := config.Decode(b); err != nil || config.Hash(got) != config.Hash(c) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestIdentityRefusals(t *testing.T) {
	jwt := func(change func(*config.JWT)) func(*config.Config) {
		return func(c *config.Config) { change(c.Auth.Subscribers.JWT) }
	}
	first := func(change func(*config.TokenIssuer)) func(*config.Config) {
		return jwt(func(j *config.JWT) { change(&j.Issuers[0]) })
	}
	publishers := func(change func(*config.Publishers)) func(*config.Config) {
		return func(c *config.Config) { change(&c.Auth.Publishers) }
	}
	many := func(n int) (texts []string) {
		for i := range n {
			texts = append(texts, fmt.Sprint("t", i))
		}
		return texts
	}
	const reader, issuer0, publisher = "auth.subscribers", "auth.subscribers.jwt.issuers[0]", "auth.publishers"
	for name, c := range map[string]struct {
		change func(*config.Config)
		want   string
	}{
		"both kinds of readers":    {func(c *config.Config) { c.Auth.Subscribers.Anonymous = &config.Anonymous{} }, reader + ": exactly one of anonymous and jwt"},
		"no issuer":                {jwt(func(j *config.JWT) { j.Issuers = nil }), reader + ".jwt.issuers: 0 is not between 1 and 16"},
		"many issuers":             {jwt(func(j *config.JWT) { j.Issuers = make([]config.TokenIssuer, 17) }), reader + ".jwt.issuers: 17 is not between 1 and 16"},
		"an issuer twice":          {jwt(func(j *config.JWT) { j.Issuers[2].Issuer = "https://a" }), reader + `.jwt.issuers[2].issuer: "https://a" is there twice`},
		"no name":                  {first(func(i *config.TokenIssuer) { i.Issuer = "" }), issuer0 + ".issuer: must be set"},
		"a long name":              {first(func(i *config.TokenIssuer) { i.Issuer = strings.Repeat("i", 2049) }), issuer0 + ".issuer: must be set and have at most 2048 bytes"},
		"no audience":              {first(func(i *config.TokenIssuer) { i.Audiences = nil }), issuer0 + ".audiences: 0 is not between 1 and 16"},
		"an empty audience":        {first(func(i *config.TokenIssuer) { i.Audiences = []string{"a", ""} }), issuer0 + ".audiences[1]: must be set"},
		"no keys":                  {first(func(i *config.TokenIssuer) { i.JWKSURI = "" }), issuer0 + ": exactly one of jwksURI, jwks and hmac"},
		"keys twice":               {first(func(i *config.TokenIssuer) { i.HMAC = &config.Reference{Kind: "Secret", Name: "a", Key: "b"} }), issuer0 + ": exactly one of jwksURI, jwks and hmac"},
		"a relative URL":           {first(func(i *config.TokenIssuer) { i.JWKSURI = "/keys" }), issuer0 + ".jwksURI: "},
		"a URL without host":       {first(func(i *config.TokenIssuer) { i.JWKSURI = "https:///keys" }), issuer0 + ".jwksURI: "},
		"a file":                   {first(func(i *config.TokenIssuer) { i.JWKSURI = "file:///etc/passwd" }), issuer0 + ".jwksURI: "},
		"a URL with a user":        {first(func(i *config.TokenIssuer) { i.JWKSURI = "https://u:p@id/keys" }), issuer0 + ".jwksURI: "},
		"a URL with a fragment":    {first(func(i *config.TokenIssuer) { i.JWKSURI = "https://id/keys#" }), issuer0 + ".jwksURI: "},
		"no topics":                {first(func(i *config.TokenIssuer) { i.Topics = nil }), issuer0 + ": exactly one of topics and topicsClaim"},
		"topics twice":             {first(func(i *config.TokenIssuer) { i.TopicsClaim = "t" }), issuer0 + ": exactly one of topics and topicsClaim"},
		"a bad template":           {first(func(i *config.TokenIssuer) { i.Topics = []string{"a", "u-{sub}"} }), issuer0 + `.topics[1]: template "u-{sub}"`},
		"many templates":           {first(func(i *config.TokenIssuer) { i.Topics = many(65) }), issuer0 + ".topics: 65 is not between 0 and 64"},
		"a bad claim":              {jwt(func(j *config.JWT) { j.Issuers[1].TopicsClaim = "a..b" }), reader + `.jwt.issuers[1].topicsClaim: claim "a..b"`},
		"a token's short life":     {first(func(i *config.TokenIssuer) { i.MaxTokenLifetime = 1 }), issuer0 + ".maxTokenLifetime: 1ns is not between 1m0s and 87600h0m0s"},
		"a token's long life":      {first(func(i *config.TokenIssuer) { i.MaxTokenLifetime = config.Duration(87601 * time.Hour) }), issuer0 + ".maxTokenLifetime: "},
		"keys' reference":          {jwt(func(j *config.JWT) { j.Issuers[1].JWKS.Name = "../x" }), reader + `.jwt.issuers[1].jwks: name "../x"`},
		"secret's reference":       {jwt(func(j *config.JWT) { j.Issuers[2].HMAC.Key = "../x" }), reader + `.jwt.issuers[2].hmac: key "../x"`},
		"tickets' reference":       {jwt(func(j *config.JWT) { j.Tickets.Kind = "Pod" }), reader + `.jwt.tickets: kind "Pod"`},
		"a cookie's name":          {jwt(func(j *config.JWT) { j.Cookie = "a;b" }), reader + `.jwt.cookie: "a;b"`},
		"both kinds of publishers": {publishers(func(p *config.Publishers) { p.Anonymous = &config.Anonymous{} }), publisher + ": either anonymous alone"},
		"no publishers":            {publishers(func(p *config.Publishers) { *p = config.Publishers{} }), publisher + ": either anonymous alone"},
		"many keys":                {publishers(func(p *config.Publishers) { p.Keys = make([]config.Key, 65) }), publisher + ".keys: 65 is not between 0 and 64"},
		"a key without name":       {publishers(func(p *config.Publishers) { p.Keys[1].Name = "" }), publisher + ".keys[1].name: must be set"},
		"a key twice":              {publishers(func(p *config.Publishers) { p.Keys[1].Name = "ci" }), publisher + `.keys[1].name: "ci" is there twice`},
		"a key's reference":        {publishers(func(p *config.Publishers) { p.Keys[1].Token.Name = "A" }), publisher + `.keys[1].token: name "A"`},
		"a key without topics":     {publishers(func(p *config.Publishers) { p.Keys[1].Topics = nil }), publisher + ".keys[1].topics: 0 is not between 1 and 64"},
		"a key's topic":            {publishers(func(p *config.Publishers) { p.Keys[1].Topics = []string{"a", "{sub}"} }), publisher + `.keys[1].topics[1]: topic "{sub}"`},
		"a grant's topic":          {publishers(func(p *config.Publishers) { p.ServiceAccounts.Grants[0].Topics = []string{"a..b"} }), publisher + `.serviceAccounts.grants[0].topics[0]: topic "a..b"`},
		"issuer keys":              {func(c *config.Config) { c.Auth.Issuers[0].Keys = nil }, "auth.issuers[0].keys"},
		"the peers' name":          {func(c *config.Config) { c.Peers.Service = "" }, "peers.service: must be set"},
		"the peers' audience":      {func(c *config.Config) { c.Peers.Audience = "" }, "peers.audience: must be set"},
		"the peers' account":       {func(c *config.Config) { c.Peers.Account = "" }, "peers.account: must be set"},
		"the certificate":          {func(c *config.Config) { c.TLS.Secret = "" }, `tls.secret: name ""`},
		"an identity's limit":      {func(c *config.Config) { c.Limits.ConnectionsPerIdentity = -1 }, "limits.connectionsPerIdentity: -1"},
		"the rate":                 {func(c *config.Config) { c.Limits.EventsPerSecondPerPublisher = -1 }, "limits.eventsPerSecondPerPublisher: -1"},
	} {
		t.Run(name, func(t *testing.T) {
			v := withAll()
			c.change(v)
			if err := v.Validate(); err == nil || !strings.Contains("\n"+err.Error(), "\n"+c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
