package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
)

const (
	// maxTokenLife is the longest life of a token that is taken. Local verification does not see that a ServiceAccount was
	// deleted, so a token must not outlive it by more than a day.
	maxTokenLife  = 24 * time.Hour
	accountPrefix = "system:serviceaccount:"
)

// algorithms that Kubernetes signs tokens with. None of them shares a key with a symmetric one.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.ES384, jose.ES512}

// accounts verifies ServiceAccount tokens.
type accounts struct {
	audience string
	issuers  map[string]jose.JSONWebKeySet
}

// account is a ServiceAccount.
type account struct{ namespace, name string }

// String is the account as the cluster's user name.
func (a account) String() string { return accountPrefix + a.namespace + ":" + a.name }

func newAccounts(audience string, issuers []config.Issuer) (*accounts, error) {
	a := &accounts{audience: audience, issuers: map[string]jose.JSONWebKeySet{}}
	for _, i := range issuers {
		keys, err := readAccountKeys(i.Keys)
		if err != nil {
			return nil, fmt.Errorf("keys of issuer %s are not readable: %w", i.URL, err)
		}
		a.issuers[i.URL] = keys
	}
	return a, nil
}

// readAccountKeys reads a cluster's keys. Those of a kind that this code does not know are passed over (RFC 7517, section 5).
func readAccountKeys(set []byte) (keys jose.JSONWebKeySet, err error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(set, &document); err != nil {
		return keys, event.ExplainJSON(err)
	}
	for _, raw := range document.Keys {
		var k jose.JSONWebKey
		switch err := k.UnmarshalJSON(raw); {
		case errors.Is(err, jose.ErrUnsupportedKeyType):
			continue
		case err != nil:
			return keys, err
		case !k.IsPublic() || !k.Valid():
			return keys, fmt.Errorf("key %q is no valid public key", k.KeyID)
		}
		keys.Keys = append(keys.Keys, k)
	}
	return keys, nil
}

// verify returns the account of a token, and until when the token is good.
func (a *accounts) verify(token string, now time.Time) (account, time.Time, error) {
	if len(a.issuers) == 0 {
		return account{}, time.Time{}, ErrNotReady
	}
	u, err := readToken(token, algorithms)
	if err != nil {
		return account{}, time.Time{}, err
	}
	claims, err := a.claims(u)
	if err != nil {
		return account{}, time.Time{}, err
	}
	if err := a.check(claims, now); err != nil {
		return account{}, time.Time{}, err
	}
	namespace, name, ok := strings.Cut(strings.TrimPrefix(claims.Subject, accountPrefix), ":")
	if !ok || !strings.HasPrefix(claims.Subject, accountPrefix) || namespace == "" || name == "" || strings.Contains(name, ":") {
		return account{}, time.Time{}, fmt.Errorf("%w: its subject is no ServiceAccount", ErrRefused)
	}
	return account{namespace, name}, claims.Expiry.Time(), nil
}

// claims verifies the signature by the keys of the issuer that the token names.
func (a *accounts) claims(u unverified) (tokenClaims, error) {
	keys, ok := a.issuers[u.issuer]
	if !ok {
		return tokenClaims{}, fmt.Errorf("%w: it is not of this cluster's issuer", ErrRefused)
	}
	candidates := keys.Keys
	if u.key != "" {
		candidates = keys.Key(u.key)
	}
	claims, signed, err := u.verify(candidates)
	if err == nil && !signed {
		err = fmt.Errorf("%w: its signature is by no key that the cluster's issuer publishes", ErrRefused)
	}
	return claims, err
}

// check holds the claims against the rules (RFC 7519, section 4.1).
func (a *accounts) check(c tokenClaims, now time.Time) error {
	err := c.ValidateWithLeeway(jwt.Expected{AnyAudience: jwt.Audience{a.audience}, Time: now}, leeway)
	dates := c.checkDates()
	switch {
	case errors.Is(err, jwt.ErrInvalidAudience):
		return fmt.Errorf("%w: its audience is not %q, write that into the projected volume or `kubectl create token --audience`", ErrRefused, a.audience)
	case dates != nil:
		return dates
	case errors.Is(err, jwt.ErrExpired):
		return fmt.Errorf("%w: it has expired, read it anew from its file", ErrRefused)
	case err != nil:
		return fmt.Errorf("%w: it is not valid yet, or the clocks differ", ErrRefused)
	case c.Expiry == nil || c.IssuedAt == nil:
		return fmt.Errorf("%w: it has no exp or no iat", ErrRefused)
	case c.lifetime(now) > maxTokenLife:
		return fmt.Errorf("%w: it lives longer than %v, ask for a shorter one", ErrRefused, maxTokenLife)
	}
	return nil
}
