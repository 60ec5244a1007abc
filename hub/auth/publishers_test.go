package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/runnel-dev/runnel/hub/config"
)

const (
	issuer   = "https://kubernetes.default.svc"
	audience = "runnel.dev/team-a/shop"
)

func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, id string, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func claims(change func(*jwt.Claims)) jwt.Claims {
	now := time.Now()
	c := jwt.Claims{
		Issuer: issuer, Subject: "system:serviceaccount:team-a:checkout", Audience: jwt.Audience{audience},
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Hour)),
	}
	if change != nil {
		change(&c)
	}
	return c
}

func publishers(t testing.TB, grants []config.Grant, keys ...jose.JSONWebKey) *Publishers {
	t.Helper()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPublishers(config.Publishers{ServiceAccounts: &config.ServiceAccounts{
		Audience: audience, Grants: grants,
	}}, []config.Issuer{{URL: issuer, Keys: set}}, nothing)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func public(key crypto.Signer, id string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key.Public(), KeyID: id}
}

func TestTokens(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := publishers(t, []config.Grant{{Namespace: "team-a", Name: "checkout", Topics: []string{"orders", "prices.*"}}}, public(rsaKey, "r"), public(ecKey, "e"))
	pem, err := json.Marshal(public(rsaKey, "r"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		token string
		want  string // part of the refusal; empty for none
	}{
		"rsa":             {sign(t, jose.RS256, rsaKey, "r", claims(nil)), ""},
		"ec":              {sign(t, jose.ES256, ecKey, "e", claims(nil)), ""},
		"unknown key":     {sign(t, jose.ES256, ecKey, "other", claims(nil)), "by no key"},
		"another's key":   {sign(t, jose.ES256, ecKey, "r", claims(nil)), "by no key"},
		"symmetric":       {sign(t, jose.HS256, pem, "r", claims(nil)), "no JSON Web Token"},
		"unsigned":        {"eyJhbGciOiJub25lIn0.e30.", "no JSON Web Token"},
		"nonsense":        {"abc", "no JSON Web Token"},
		"long":            {strings.Repeat("a", maxTokenBytes+1), "longer than"},
		"other issuer":    {sign(t, jose.RS256, rsaKey, "r", claims(func(c *jwt.Claims) { c.Issuer = "https://elsewhere" })), "issuer"},
		"other audience":  {sign(t, jose.RS256, rsaKey, "r", claims(func(c *jwt.Claims) { c.Audience = jwt.Audience{"api"} })), audience},
		"no audience":     {sign(t, jose.RS256, rsaKey, "r", claims(func(c *jwt.Claims) { c.Audience = nil })), audience},
		"expired":         {sign(t, jose.RS256, rsaKey, "r", claims(func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(time.Now().Add(-time.Minute)) })), "expired"},
		"not yet":         {sign(t, jose.RS256, rsaKey, "r", claims(func(c *jwt.Claims) { c.NotBefore = jwt.NewNumericDate(time.Now().Add(10 * time.Minute)) })), "not valid yet"},
		"never ends":      {sign(t, jose.RS256, rsaKey, "r", claims(func(c *jwt.Claims) { c.Expiry = nil })), "no exp"},
		"lives too long":  {sign(t, jose.RS256, rsaKey, "r", claims(func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(time.Now().Add(25 * time.Hour)) })), "longer than 24h"},
		"a user's":        {sign(t, jose.RS256, rsaKey, "r", claims(func(c *jwt.Claims) { c.Subject = "alice" })), "no ServiceAccount"},
		"a crooked name":  {sign(t, jose.RS256, rsaKey, "r", claims(func(c *jwt.Claims) { c.Subject = "system:serviceaccount:team-a:x:checkout" })), "no ServiceAccount"},
		"without subject": {sign(t, jose.RS256, rsaKey, "r", claims(func(c *jwt.Claims) { c.Subject = "" })), "no ServiceAccount"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // verified, and from memory
				who, err := p.Authenticate("Bearer " + c.token)
				if c.want != "" {
					if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.want) {
						t.Errorf("%v, want %q", err, c.want)
					}
					continue
				}
				if err != nil || who.Name != "system:serviceaccount:team-a:checkout" {
					t.Fatalf("%+v, %v", who, err)
				}
				if !who.MayPublish("orders") || !who.MayPublish("prices.x") || who.MayPublish("runs.x") {
					t.Errorf("grants of %+v", who)
				}
			}
		})
	}
}

func TestGrants(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := publishers(t, []config.Grant{{Namespace: "team-a", Name: config.EveryAccount, Topics: []string{">"}}, {Namespace: "team-b", Name: "b", Topics: []string{"b"}}}, public(key, "e"))
	for subject, want := range map[string]bool{"team-a:any": true, "team-b:b": false, "team-c:any": false, "team-b:any": false} {
		token := sign(t, jose.ES256, key, "e", claims(func(c *jwt.Claims) { c.Subject = accountPrefix + subject }))
		who, err := p.Authenticate("bearer " + token)
		if err != nil || who.MayPublish("a") != want || who.MayPublish("b") != (want || subject == "team-b:b") {
			t.Errorf("%s: %+v, %v", subject, who, err)
		}
	}
}

func TestMissingAndNotReady(t *testing.T) {
	p := publishers(t, nil)
	for _, header := range []string{"", "Bearer", "Bearer ", "Basic abc"} {
		if _, err := p.Authenticate(header); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), audience) {
			t.Errorf("%q: %v", header, err)
		}
	}
	none, err := NewPublishers(config.Publishers{ServiceAccounts: &config.ServiceAccounts{Audience: audience}}, nil, nothing)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.Authenticate("Bearer x"); !errors.Is(err, ErrNotReady) {
		t.Errorf("without keys: %v", err)
	}
}

func TestVerifiedTokensExpireAndAreBounded(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := publishers(t, nil, public(key, "e"))
	token := "Bearer " + sign(t, jose.ES256, key, "e", claims(nil))
	if _, err := p.Authenticate(token); err != nil {
		t.Fatal(err)
	}
	p.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if _, err := p.Authenticate(token); !errors.Is(err, ErrRefused) {
		t.Errorf("a remembered token outlives itself: %v", err)
	}
	for i := range 2 * maxVerified {
		p.verified.put(strconv.Itoa(i), verified{})
	}
	if len(p.verified.by) > maxVerified {
		t.Errorf("%d tokens are remembered", len(p.verified.by))
	}
}

func TestAnonymous(t *testing.T) {
	p, err := NewPublishers(config.Publishers{Anonymous: &config.Anonymous{}}, nil, nothing)
	if err != nil {
		t.Fatal(err)
	}
	if who, err := p.Authenticate(""); err != nil || !who.MayPublish("anything.at.all") {
		t.Errorf("%+v, %v", who, err)
	}
}

// A cluster that gets a key of a kind that came after this code must not stop the publishers whose tokens are by its others.
func TestKeysOfUnknownKindsArePassedOver(t *testing.T) {
	key := ec(t, elliptic.P256())
	known, err := json.Marshal(jose.JSONWebKey{Key: &key.PublicKey, KeyID: "known"})
	if err != nil {
		t.Fatal(err)
	}
	set := `{"keys":[{"kty":"AKP","alg":"ML-DSA-65","kid":"new","pub":"AAAA"},` + string(known) + `]}`
	p, err := NewPublishers(config.Publishers{ServiceAccounts: &config.ServiceAccounts{Audience: audience}},
		[]config.Issuer{{URL: issuer, Keys: json.RawMessage(set)}}, nothing)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Authenticate("Bearer " + sign(t, jose.ES256, key, "known", claims(nil))); err != nil {
		t.Error(err)
	}
	if _, err := p.Authenticate("Bearer " + sign(t, jose.ES256, key, "new", claims(nil))); !errors.Is(err, ErrRefused) {
		t.Errorf("by a key that was passed over: %v", err)
	}
}

func TestUnreadableConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		keys  string
		topic string
	}{
		"keys":        {`{"keys":[{"kty":"RSA"}]}`, "a"},
		"private key": {`{"keys":[{"kty":"oct","k":"AAAA"}]}`, "a"},
		"topics":      {`{"keys":[]}`, "a..b"},
	} {
		accounts := &config.ServiceAccounts{Grants: []config.Grant{{Namespace: "a", Name: config.EveryAccount, Topics: []string{c.topic}}}}
		issuers := []config.Issuer{{URL: issuer, Keys: json.RawMessage(c.keys)}}
		if _, err := NewPublishers(config.Publishers{ServiceAccounts: accounts}, issuers, nothing); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
