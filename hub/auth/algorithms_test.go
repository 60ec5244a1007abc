package auth

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/runnel-dev/runnel/hub/config"
)

// unsigned makes a token by hand.
func unsigned(header, body, signature string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(header)) + "." + enc([]byte(body)) + "." + enc([]byte(signature))
}

func TestReadersTokens(t *testing.T) {
	c := newClock()
	r, e, e384 := rsaKey(t, 2048), ec(t, elliptic.P256()), ec(t, elliptic.P384())
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, only256, forEncryption := rsaKey(t, 1024), rsaKey(t, 2048), rsaKey(t, 2048)
	s := subscribers(t, c, config.JWT{Issuers: []config.TokenIssuer{
		{Issuer: idp, Audiences: []string{"other", forReader}, JWKS: jwksOf, Topics: []string{"users.{sub}.>"}},
		{Issuer: otherIDP, Audiences: []string{forReader}, HMAC: hmacOf, Topics: []string{"guests.{sub}.>"}},
	}}, content{
		jwksOf.String(): keyset(t, public(r, "r"), public(e, "e"), public(e384, "e384"), public(ed, "ed"), public(weak, "weak"),
			jose.JSONWebKey{Key: only256.Public(), KeyID: "only256", Algorithm: "RS256", Use: "sig"},
			jose.JSONWebKey{Key: forEncryption.Public(), KeyID: "enc", Use: "enc"},
			jose.JSONWebKey{Key: []byte(secret), KeyID: "oct"}),
		hmacOf.String(): secret,
	})
	if len(s.Missing()) > 0 {
		t.Fatal(s.Missing())
	}
	der, err := x509.MarshalPKIXPublicKey(r.Public())
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	body, err := json.Marshal(says(c.Now(), nil))
	if err != nil {
		t.Fatal(err)
	}
	now := c.Now()
	good := says(now, nil)
	of := func(alg jose.SignatureAlgorithm, key any, id string, claims map[string]any) string {
		return sign(t, alg, key, id, claims)
	}
	stranger := ec(t, elliptic.P256())
	for name, c := range map[string]struct {
		token string
		want  string // part of the refusal; empty for none
	}{
		"rs256":             {of(jose.RS256, r, "r", good), ""},
		"rs512":             {of(jose.RS512, r, "r", good), ""},
		"ps256":             {of(jose.PS256, r, "r", good), ""},
		"es256":             {of(jose.ES256, e, "e", good), ""},
		"es384":             {of(jose.ES384, e384, "e384", good), ""},
		"eddsa":             {of(jose.EdDSA, ed, "ed", good), ""},
		"no key id":         {of(jose.ES256, e, "", good), ""},
		"one of audiences":  {of(jose.ES256, e, "e", says(now, map[string]any{"aud": []string{"x", "other"}})), ""},
		"expires just now":  {of(jose.ES256, e, "e", says(now, map[string]any{"exp": now.Add(-leeway / 2).Unix()})), ""},
		"begins just later": {of(jose.ES256, e, "e", says(now, map[string]any{"nbf": now.Add(leeway / 2).Unix()})), ""},

		"unsigned":             {unsigned(`{"alg":"none"}`, string(body), ""), "no JSON Web Token"},
		"unsigned, NONE":       {unsigned(`{"alg":"NONE"}`, string(body), ""), "no JSON Web Token"},
		"no algorithm":         {unsigned(`{}`, string(body), "x"), "no JSON Web Token"},
		"without signature":    {unsigned(`{"alg":"ES256","kid":"e"}`, string(body), ""), "by no key"},
		"public key as HMAC":   {of(jose.HS256, asPEM, "r", good), "signed by HS256"},
		"DER as HMAC":          {of(jose.HS256, der, "r", good), "signed by HS256"},
		"symmetric in JWKS":    {of(jose.HS256, []byte(secret), "oct", good), "signed by HS256"},
		"RS for HMAC issuer":   {of(jose.RS256, r, "r", says(now, map[string]any{"iss": otherIDP})), "signed by RS256"},
		"a stranger's subject": {of(jose.ES256, stranger, "e", says(now, map[string]any{"sub": 7})), "by no key"},
		"other's secret":       {of(jose.HS256, []byte(strings.Repeat("x", 32)), "", says(now, map[string]any{"iss": otherIDP})), "by no key"},
		"issuers confused":     {of(jose.HS256, []byte(secret), "", good), "signed by HS256"},
		"key by another id":    {of(jose.ES256, e, "r", good), "by no key"},
		"unknown id":           {of(jose.ES256, e, "x", good), "by no key"},
		"a stranger's key":     {of(jose.ES256, stranger, "e", good), "by no key"},
		"a stranger's, no id":  {of(jose.ES256, stranger, "", good), "by no key"},
		"key of too few bits":  {of(jose.RS256, weak, "weak", good), "by no key"},
		"key's algorithm":      {of(jose.PS256, only256, "only256", good), "by no key"},
		"key's use":            {of(jose.RS256, forEncryption, "enc", good), "by no key"},
		"key in the token":     {withKey(t, stranger, good), "by no key"},

		"unknown issuer": {of(jose.ES256, e, "e", says(now, map[string]any{"iss": "https://evil.example"})), "not of " + idp},
		"no issuer":      {of(jose.ES256, e, "e", says(now, map[string]any{"iss": nil})), "not of " + idp},
		"audience":       {of(jose.ES256, e, "e", says(now, map[string]any{"aud": "blog"})), "audience other or shop"},
		"no audience":    {of(jose.ES256, e, "e", says(now, map[string]any{"aud": nil})), "audience other or shop"},
		"expired":        {of(jose.ES256, e, "e", says(now, map[string]any{"exp": now.Add(-leeway - 2*time.Second).Unix()})), "has expired"},
		"no end":         {of(jose.ES256, e, "e", says(now, map[string]any{"exp": nil})), "no exp"},
		"not yet":        {of(jose.ES256, e, "e", says(now, map[string]any{"nbf": now.Add(leeway + 2*time.Second).Unix()})), "not valid yet"},
		"made later":     {of(jose.ES256, e, "e", says(now, map[string]any{"iat": now.Add(leeway + 2*time.Second).Unix()})), "not valid yet"},
		"end as text":    {of(jose.ES256, e, "e", says(now, map[string]any{"exp": "tomorrow"})), "exp, nbf and iat numbers"},
		"subject is 7":   {of(jose.ES256, e, "e", says(now, map[string]any{"sub": 7})), "iss, sub and jti are strings"},
		"two subjects":   {signText(t, e, "e", strings.Replace(string(body), `"sub":`, `"sub":"bob","sub":`, 1)), "none is there twice"},
		"long":           {of(jose.ES256, e, "e", says(now, map[string]any{"x": strings.Repeat("x", maxTokenBytes)})), "longer than"},
		"nonsense":       {"abc", "no JSON Web Token"},
		"encrypted":      {"a.b.c.d.e", "no JSON Web Token"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // verified, and from memory
				who, err := s.Authenticate(context.Background(), Credentials{Authorization: "Bearer " + c.token})
				if c.want != "" {
					if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), c.token) {
						t.Fatalf("%v, want %q", err, c.want)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if !reads(t, who, "users.alice.>") || reads(t, who, "users.bob.>") || reads(t, who, "users.>") || reads(t, who, "guests.alice.x") {
					t.Errorf("reads what it should not, or not what it should: %+v", who.grants)
				}
			}
		})
	}
}

// signText signs a text as it is.
func signText(t testing.TB, key crypto.Signer, id, claims string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// withKey signs by a key that the token's own header holds (RFC 7515, section 4.1.3).
func withKey(t testing.TB, key crypto.Signer, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{EmbedJWK: true}))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestKeysThatAreNotValid(t *testing.T) {
	n := base64.RawURLEncoding.EncodeToString(rsaKey(t, 2048).N.Bytes())
	for name, key := range map[string]string{
		"no exponent":   `{"kty":"RSA","n":"` + n + `","e":"AA"}`,
		"off the curve": `{"kty":"EC","crv":"P-256","x":"` + n[:43] + `","y":"` + n[43:86] + `"}`,
		"no kind":       `{"n":"` + n + `","e":"AQAB"}`,
	} {
		if set, err := readKeySet([]byte(`{"keys":[` + key + `]}`)); err == nil {
			t.Errorf("%s: %+v", name, set)
		}
	}
}
