package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxKeys of a set: an issuer has two or three while it rotates them.
	maxKeys = 64
	// minSecretBytes is the length of the shortest secret: that of the output of SHA-256 (RFC 7518, section 3.2).
	minSecretBytes = 32
	// minRSABits is the size of the smallest RSA key (RFC 7518, sections 3.3 and 3.5).
	minRSABits = 2048
	// printBytes of a digest are enough that no two keys that somebody chooses have the same.
	printBytes = 16
	// printPurpose has a secret's digest be of no use elsewhere.
	printPurpose = "runnel key print"
)

// Algorithms by the kind of an issuer's keys. None is in both, so that no public key is ever taken for a secret.
var (
	publicKeyAlgorithms = []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
	secretAlgorithms = []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512}
)

// keySet is the keys of an issuer of readers' tokens. It never changes.
type keySet struct {
	keys []jose.JSONWebKey
	// named says that keys have ids by which tokens choose them.
	named bool
	// prints of the keys, by keyPrint.
	prints []string
	// text that a set at a URL was read from.
	text []byte
}

// readKeySet reads a JSON Web Key Set (RFC 7517, section 5). Keys that are for something else, or that this code does not
// understand, are passed over as the standard asks; symmetric and private keys are passed over too, since whoever can read
// the set could sign by them. A set of which nothing is left is an error.
func readKeySet(b []byte) (*keySet, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(b, &document); err != nil || document.Keys == nil {
		return nil, errors.New(`it is no JSON Web Key Set: write {"keys":[…]}`)
	}
	if len(document.Keys) > maxKeys {
		return nil, fmt.Errorf("it has %d keys: write at most %d", len(document.Keys), maxKeys)
	}
	set := &keySet{named: true}
	for _, raw := range document.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) == nil && verifies(k) {
			set.add(k)
		}
	}
	if len(set.keys) == 0 {
		return nil, fmt.Errorf("of its %d keys none can verify tokens: write public keys for signatures, RSA of %d bits or more, P-256, P-384, P-521 or Ed25519",
			len(document.Keys), minRSABits)
	}
	return set, nil
}

// verifies says whether a key is a public one for signatures.
func verifies(k jose.JSONWebKey) bool {
	return (k.Use == "" || k.Use == "sig") && slices.ContainsFunc(publicKeyAlgorithms, func(a jose.SignatureAlgorithm) bool { return fits(k, a) })
}

// fits says whether a key may be used by an algorithm: its kind must be the algorithm's own, and so must its "alg" if it has one.
func fits(k jose.JSONWebKey, a jose.SignatureAlgorithm) bool {
	if k.Algorithm != "" && k.Algorithm != string(a) {
		return false
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= minRSABits && slices.Contains([]jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}, a)
	case *ecdsa.PublicKey:
		return key.Curve == map[jose.SignatureAlgorithm]elliptic.Curve{jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521()}[a]
	case ed25519.PublicKey:
		return a == jose.EdDSA
	case []byte:
		return slices.Contains(secretAlgorithms, a)
	default:
		return false
	}
}

// readSecret makes a set of a secret for HMAC. HS384 and HS512 need longer ones (RFC 7518, section 3.2). Secrets are bytes; one that ends with a line's end is also tried without it, since
// editors add one that the issuer does not have.
func readSecret(b []byte) (*keySet, error) {
	set := &keySet{}
	for _, secret := range [][]byte{b, bytes.TrimRight(b, "\r\n")} {
		if len(secret) < minSecretBytes {
			continue
		}
		if len(set.keys) == 0 || len(secret) < len(b) {
			set.add(jose.JSONWebKey{Key: secret})
		}
	}
	if len(set.keys) == 0 {
		return nil, fmt.Errorf("it has %d bytes: write at least %d random ones", len(b), minSecretBytes)
	}
	return set, nil
}

// add is for who makes the set.
func (s *keySet) add(k jose.JSONWebKey) {
	s.keys, s.prints = append(s.keys, k), append(s.prints, keyPrint(k))
}

// keyPrint tells keys apart by what they are, whatever their ids: by the thumbprint of a public key (RFC 7638) and by a keyed digest
// of a secret. It goes into tickets, which are encrypted. It is empty for a kind of key that no set has.
func keyPrint(k jose.JSONWebKey) string {
	var digest []byte
	if secret, ok := k.Key.([]byte); ok {
		h := hmac.New(sha256.New, secret)
		_, _ = h.Write([]byte(printPurpose)) // a hash never fails
		digest = h.Sum(nil)
	} else {
		var err error
		if digest, err = k.Thumbprint(crypto.SHA256); err != nil {
			return ""
		}
	}
	return base64.RawURLEncoding.EncodeToString(digest[:printBytes])
}

// holds says whether one of the keys has a print.
func (s *keySet) holds(print string) bool { return print != "" && slices.Contains(s.prints, print) }

// has says whether a token that names a key by its id can be verified by this set, or another set is needed.
func (s *keySet) has(id string) bool {
	return !s.named || id == "" || slices.ContainsFunc(s.keys, func(k jose.JSONWebKey) bool { return k.KeyID == id })
}

// candidates are the keys by which a token may be signed.
func (s *keySet) candidates(u unverified) (out []jose.JSONWebKey) {
	for _, k := range s.keys {
		if fits(k, u.algorithm) && (!s.named || u.key == "" || k.KeyID == u.key) {
			out = append(out, k)
		}
	}
	return out
}
