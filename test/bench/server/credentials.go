//go:build linux

package server

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/runnel-dev/runnel/hub/config"
)

const (
	namespace = "bench"
	account   = "publisher"
	audience  = "runnel.dev/bench/bench"
	cluster   = "https://kubernetes.default.svc.cluster.local"
	readers   = "https://id.example"
	keyID     = "7hqfZxS1vSmCIDHEYYxIrL8CE8aXGCZtLQYzpVVvsQ4" // as long as a cluster's
	// keyBits is what kubeadm makes for ServiceAccount tokens.
	keyBits = 2048
	// secretBytes is the least that HS256 takes.
	secretBytes = 32
	secretName  = "readers"
	secretKey   = "secret"
	// publisherLife is that of a projected token at most, a day.
	publisherLife = 23 * time.Hour
)

// credentials of the clients of one hub, and what the hub verifies them by.
type credentials struct {
	reader, publisher string
	secret            []byte
	keys              []byte
}

func newCredentials() (*credentials, error) {
	c := &credentials{secret: []byte(rand.Text() + rand.Text())}
	if len(c.secret) < secretBytes {
		return nil, fmt.Errorf("a secret of %d bytes is too short", len(c.secret))
	}
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	if c.keys, err = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: keyID, Algorithm: string(jose.RS256), Use: "sig"}}}); err != nil {
		return nil, err
	}
	now := time.Now()
	if c.publisher, err = sign(jose.RS256, jose.JSONWebKey{Key: key, KeyID: keyID}, accountClaims(now)); err != nil {
		return nil, err
	}
	c.reader, err = sign(jose.HS256, c.secret, map[string]any{"iss": readers, "sub": "reader", "aud": "bench", "iat": now.Unix(), "exp": now.Add(longest).Unix()})
	return c, err
}

// accountClaims are those of a projected ServiceAccount token of a pod, with all that a cluster writes into one: the token has about
// a kilobyte.
func accountClaims(now time.Time) map[string]any {
	object := func(name string) map[string]any {
		return map[string]any{"name": name, "uid": "0d6a9c0e-4b3f-4a54-9d8b-2f0c9e1a7b35"}
	}
	return map[string]any{
		"iss": cluster, "aud": []string{audience}, "sub": "system:serviceaccount:" + namespace + ":" + account,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(publisherLife).Unix(), "jti": "5f8f3f5e-6a55-4d3c-8f0a-35a1f0a7e1bc",
		"kubernetes.io": map[string]any{
			"namespace": namespace, "serviceaccount": object(account), "pod": object("publisher-6c7f9d7b5d-x2k8p"),
			"node": object("node-1"), "warnafter": now.Add(time.Hour).Unix(),
		},
	}
}

func sign(by jose.SignatureAlgorithm, key any, claims map[string]any) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: by, Key: key}, nil)
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// auth is the part of a configuration that lets the credentials in.
func (c *credentials) auth() config.Auth {
	return config.Auth{
		Subscribers: config.Subscribers{JWT: &config.JWT{Issuers: []config.TokenIssuer{{
			Issuer: readers, Audiences: []string{"bench"}, HMAC: c.reference(), Topics: []string{allTopics},
		}}}},
		Publishers: config.Publishers{ServiceAccounts: &config.ServiceAccounts{
			Audience: audience,
			Grants:   []config.Grant{{Namespace: namespace, Name: account, Topics: []string{allTopics}}},
		}},
		Issuers: []config.Issuer{{URL: cluster, Keys: c.keys}},
	}
}

func (c *credentials) reference() *config.Reference {
	return &config.Reference{Kind: config.KindSecret, Name: secretName, Key: secretKey}
}

// write puts what the configuration refers to where a hub looks for it.
func (c *credentials) write(references string) error {
	path := filepath.Join(references, "secrets", secretName, secretKey)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, c.secret, 0o600)
}

func bearer(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}
