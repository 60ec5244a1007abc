package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/runnel-dev/runnel/hub/config"
)

// tokenIssuer verifies the tokens of one issuer. What they may read is its own to say: two issuers' alice are two people.
type tokenIssuer struct {
	name       string
	audiences  jwt.Audience
	algorithms []jose.SignatureAlgorithm
	rules      grantRules
	// lifetime is how long a token may be good.
	lifetime time.Duration

	// keys of a reference, nil while that is missing or for keys at a URL.
	keys   *keySet
	source KeySource
	// bundleMissing is set while the source's CA bundle is not there or of no use: its keys are then not fetched.
	bundleMissing bool
	remote        *RemoteKeys
}

func newTokenIssuer(c config.TokenIssuer, remote *RemoteKeys) (*tokenIssuer, error) {
	rules, err := newGrantRules(c)
	if err != nil {
		return nil, fmt.Errorf("issuer %s: %w", c.Issuer, err)
	}
	i := &tokenIssuer{name: c.Issuer, audiences: c.Audiences, algorithms: publicKeyAlgorithms, rules: rules, source: KeySource{URL: c.JWKSURI}, remote: remote,
		lifetime: cmp.Or(c.MaxTokenLifetime.D(), config.DefaultMaxTokenLifetime)}
	if c.HMAC != nil {
		i.algorithms = secretAlgorithms
	}
	return i, nil
}

// current returns the keys, or nil and why there are none.
func (i *tokenIssuer) current() (*keySet, string) {
	switch {
	case i.source.URL == "":
		return i.keys, "missing"
	case i.bundleMissing:
		return nil, "their server's CA bundle is missing"
	default:
		return i.remote.current(i.source)
	}
}

// verify returns the claims of a token of this issuer, and the keys of which one has signed it.
func (i *tokenIssuer) verify(ctx context.Context, u unverified, now time.Time) (tokenClaims, *keySet, error) {
	if !slices.Contains(i.algorithms, u.algorithm) {
		return tokenClaims{}, nil, fmt.Errorf("%w: it is signed by %s, and its issuer's tokens by one of %v", ErrRefused, u.algorithm, i.algorithms)
	}
	keys, _ := i.current()
	if err := ready(keys); err != nil {
		return tokenClaims{}, nil, err
	}
	if i.source.URL != "" && !keys.has(u.key) {
		var err error
		if keys, err = i.remote.find(ctx, i.source, wantedKey{id: u.key}); err != nil {
			return tokenClaims{}, nil, err
		}
	}
	c, signed, err := u.verify(keys.candidates(u))
	if err != nil {
		return tokenClaims{}, nil, err
	}
	if !signed {
		return tokenClaims{}, nil, fmt.Errorf("%w: its signature is by no key of its issuer", ErrRefused)
	}
	return c, keys, i.check(c, now)
}

// stillHolds says whether the issuer has the key with a print. The errors are ErrNotReady and ErrTicket.
func (i *tokenIssuer) stillHolds(ctx context.Context, print string) error {
	keys, _ := i.current()
	if err := ready(keys); err != nil {
		return err
	}
	if i.source.URL != "" && !keys.holds(print) { // the hub that made the ticket may have fetched newer ones
		var err error
		if keys, err = i.remote.find(ctx, i.source, wantedKey{print: print}); err != nil {
			return err
		}
	}
	if !keys.holds(print) {
		return fmt.Errorf("%w: the key of the token behind it has been taken back, ask POST /v1/tickets for a new one with a new token", ErrTicket)
	}
	return nil
}

// check holds the claims of a token, verified now or before, against the rules (RFC 7519, section 4.1).
func (i *tokenIssuer) check(c tokenClaims, now time.Time) error {
	err := c.ValidateWithLeeway(jwt.Expected{AnyAudience: i.audiences, Time: now}, leeway)
	dates := c.checkDates()
	switch {
	case errors.Is(err, jwt.ErrInvalidAudience):
		return fmt.Errorf("%w: it is not for this stream, ask its issuer for one of audience %s", ErrRefused, strings.Join(i.audiences, " or "))
	case dates != nil:
		return dates
	case errors.Is(err, jwt.ErrExpired):
		return fmt.Errorf("%w: it has expired, ask its issuer for a new one", ErrRefused)
	case err != nil:
		return fmt.Errorf("%w: it is not valid yet, or the clocks differ", ErrRefused)
	case c.Expiry == nil:
		return fmt.Errorf("%w: it has no exp, and a reader's token must end", ErrRefused)
	case c.lifetime(now) > i.lifetime:
		return fmt.Errorf("%w: it is good for more than %v, which is the most for its issuer: ask for one with an earlier exp, or raise maxTokenLifetime of the issuer in spec.auth.subscribers.jwt",
			ErrRefused, i.lifetime)
	}
	return nil
}

// missing says what there is to wait for; empty is nothing.
func (i *tokenIssuer) missing() string {
	if i.source.URL == "" || i.bundleMissing {
		return "" // the reference is named instead
	}
	if keys, why := i.current(); keys == nil {
		return fmt.Sprintf("keys of issuer %s (%s): %s", i.name, i.source.URL, why)
	}
	return ""
}
