package apiserver

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"sync"
)

// keyBits is what kubeadm and kind use for the ServiceAccount key.
const keyBits = 2048

// signingKey is a key that signs ServiceAccount tokens.
type signingKey struct {
	private *rsa.PrivateKey
	id      string
}

func newSigningKey() (signingKey, error) {
	k, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return signingKey{}, fmt.Errorf("make a ServiceAccount key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return signingKey{}, fmt.Errorf("make a ServiceAccount key: %w", err)
	}
	sum := sha256.Sum256(der) // the same id as kube-apiserver derives
	return signingKey{private: k, id: base64.RawURLEncoding.EncodeToString(sum[:])}, nil
}

// keyring holds the keys that are published; the first one signs.
type keyring struct {
	mu   sync.RWMutex
	keys []signingKey
}

func newKeyring() (*keyring, error) {
	k, err := newSigningKey()
	if err != nil {
		return nil, err
	}
	return &keyring{keys: []signingKey{k}}, nil
}

// rotate makes a new key the one that signs; the others stay published.
func (r *keyring) rotate() error {
	k, err := newSigningKey()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = append([]signingKey{k}, r.keys...)
	return nil
}

// dropOld forgets every key but the one that signs.
func (r *keyring) dropOld() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = r.keys[:1:1]
}

func (r *keyring) signer() signingKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.keys[0]
}

func (r *keyring) public(id string) (crypto.PublicKey, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, k := range r.keys {
		if k.id == id {
			return k.private.Public(), true
		}
	}
	return nil, false
}

// webKey is one key of a JSON Web Key Set (RFC 7517, section 4; RFC 7518, section 6.3.1).
type webKey struct {
	Use       string `json:"use"`
	Type      string `json:"kty"`
	ID        string `json:"kid"`
	Algorithm string `json:"alg"`
	N         string `json:"n"`
	E         string `json:"e"`
}

func (r *keyring) webKeys() []webKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []webKey
	for _, k := range r.keys {
		p := k.private.PublicKey
		out = append(out, webKey{
			Use: "sig", Type: "RSA", ID: k.id, Algorithm: "RS256",
			N: base64.RawURLEncoding.EncodeToString(p.N.Bytes()),
			E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(p.E)).Bytes()),
		})
	}
	return out
}

// serveKeys answers /openid/v1/jwks.
func (r *keyring) serveKeys(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, "application/jwk-set+json", map[string]any{"keys": r.webKeys()})
}

// serveConfiguration answers /.well-known/openid-configuration of a server that clients reach at host.
func serveConfiguration(host string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, "application/json", map[string]any{
			"issuer":                                Issuer,
			"jwks_uri":                              host + "/openid/v1/jwks",
			"response_types_supported":              []string{"id_token"},
			"subject_types_supported":               []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	}
}

func writeJSON(w http.ResponseWriter, contentType string, v any) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "public, max-age=3600") // as kube-apiserver says
	if err := json.NewEncoder(w).Encode(v); err != nil {
		return // the client is gone, and there is nobody left to tell
	}
}
