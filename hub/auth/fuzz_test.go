package auth

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"hash"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/runnel-dev/runnel/hub/config"
)

// FuzzToken lets in no token that is not signed by a key of the issuer that it names, which is verified here by other code.
func FuzzToken(f *testing.F) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize)) // the same in each run, for inputs that are kept
	long := strings.Repeat(secret, 2)
	c := &clock{now: time.Unix(2_000_000_000, 0)}
	s := subscribers(f, c, config.JWT{Issuers: []config.TokenIssuer{
		{Issuer: idp, Audiences: []string{forReader}, JWKS: jwksOf, Topics: []string{"{sub}"}},
		{Issuer: otherIDP, Audiences: []string{forReader}, HMAC: hmacOf, Topics: []string{"{sub}"}},
	}}, content{jwksOf.String(): keyset(f, public(key, "ed")), hmacOf.String(): long})
	other := says(c.now, map[string]any{"iss": otherIDP})
	for _, token := range []string{
		sign(f, jose.EdDSA, key, "ed", says(c.now, nil)),
		sign(f, jose.HS256, []byte(long), "", other),
		sign(f, jose.HS512, []byte(long), "x", other),
		sign(f, jose.HS256, []byte(key.Public().(ed25519.PublicKey)), "ed", says(c.now, nil)),
		sign(f, jose.EdDSA, key, "ed", other),
		unsigned(`{"alg":"none"}`, `{"iss":"`+idp+`","aud":"shop","exp":2000000001}`, ""),
		"a.b.c", "..", "",
	} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		who, err := s.Authenticate(context.Background(), Credentials{Authorization: "Bearer " + token})
		if err != nil {
			return // refused
		}
		token = strings.TrimSpace(token)
		dot := strings.LastIndexByte(token, '.')
		signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
		if err != nil {
			t.Fatal(err)
		}
		header, body, _ := strings.Cut(token[:dot], ".")
		algorithm := decode(t, header)["alg"].(string)
		var good bool
		switch issuer := decode(t, body)["iss"]; issuer {
		case idp:
			good = algorithm == "EdDSA" && ed25519.Verify(key.Public().(ed25519.PublicKey), []byte(token[:dot]), signature)
		case otherIDP:
			if h := map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}[algorithm]; h != nil {
				mac := hmac.New(h, []byte(long))
				mac.Write([]byte(token[:dot]))
				good = hmac.Equal(mac.Sum(nil), signature)
			}
		}
		if !good || !who.Until().After(c.now) {
			t.Fatalf("let in by %s: %+v", algorithm, who)
		}
	})
}

func decode(t testing.TB, part string) (out map[string]any) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// FuzzTicket opens nothing but what was sealed.
func FuzzTicket(f *testing.F) {
	c := &clock{now: time.Unix(2_000_000_000, 0)}
	s := subscribers(f, c, ticketConfig, ticketSecrets)
	made := ticketFor(f, s, says(c.now, nil), "https://shop.example", "users.alice.orders")
	f.Add(made.Text, "")
	f.Add(made.Text, "https://evil.example")
	f.Add("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA", "")
	f.Add("....", "")
	f.Fuzz(func(t *testing.T, text, origin string) {
		who, err := s.Authenticate(context.Background(), Credentials{Ticket: text, Origin: origin})
		if err != nil || text == "" {
			return // refused
		}
		if who.subject != "alice" || !reads(t, who, "users.alice.orders") || reads(t, who, "public") || origin != "" && origin != "https://shop.example" {
			t.Fatalf("%q from %q opens as %+v", text, origin, who)
		}
	})
}

// FuzzKeySet never panics, and takes no key that could sign.
func FuzzKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a"},{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}],"keys":[]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		set, err := readKeySet(document)
		if err != nil {
			return // refused
		}
		for _, k := range set.keys {
			if !k.IsPublic() || k.Use != "" && k.Use != "sig" {
				t.Fatalf("takes %+v", k)
			}
		}
	})
}
