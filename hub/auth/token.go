package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	strict "github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// leeway for clocks that differ, on nbf, iat and exp.
	leeway = 10 * time.Second
	// maxTokenBytes bounds what is decoded: a ServiceAccount token has about 1 KiB, one with a long list of roles some 4 KiB.
	maxTokenBytes = 8 << 10
)

// unverified is a token of which nothing is known to be true.
type unverified struct {
	token *jwt.JSONWebToken
	// issuer that the token names, the algorithm that it says it is signed by, and the id of its key, if it names one.
	issuer, key string
	algorithm   jose.SignatureAlgorithm
}

// tokenClaims are what a verified token says.
type tokenClaims struct {
	jwt.Claims
	// raw is all of them, a JSON object in which no name is twice. Within the objects that it holds, the last of a name counts.
	raw []byte
	// by is the key that verified the token.
	by jose.JSONWebKey
}

// errClaims refuses a token whose claims cannot be read.
var errClaims = fmt.Errorf("%w: its claims are not as RFC 7519 says: iss, sub and jti are strings, aud one or a list of them, exp, nbf and iat numbers of seconds since 1970, "+
	"and none is there twice", ErrRefused)

// readToken reads a JSON Web Token in its compact form (RFC 7515, section 7.1) that says it is signed by one of the algorithms.
func readToken(text string, algorithms []jose.SignatureAlgorithm) (unverified, error) {
	if len(text) > maxTokenBytes {
		return unverified{}, fmt.Errorf("%w: it is longer than %d bytes", ErrRefused, maxTokenBytes)
	}
	if !canonical(text) {
		return unverified{}, fmt.Errorf("%w: it is no JSON Web Token, whose parts are base64url as an encoder writes it", ErrRefused)
	}
	token, err := jwt.ParseSigned(text, algorithms)
	if err != nil {
		return unverified{}, fmt.Errorf("%w: it is no JSON Web Token signed by %v", ErrRefused, algorithms)
	}
	var named struct {
		Issuer string `json:"iss"`
	}
	if err := token.UnsafeClaimsWithoutVerification(&named); err != nil {
		return unverified{}, errClaims
	}
	header := token.Headers[0]
	return unverified{token, named.Issuer, header.KeyID, jose.SignatureAlgorithm(header.Algorithm)}, nil
}

// canonical says whether each part of a compact form (RFC 7515, section 7.1) is base64url as an encoder writes it. The library passes
// over line ends and bits that are left over, and a token would have many texts.
func canonical(text string) bool {
	for part := range strings.SplitSeq(text, ".") {
		bytes, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || base64.RawURLEncoding.EncodeToString(bytes) != part {
			return false
		}
	}
	return true
}

// verify returns the claims of a token, and whether it is signed by one of the keys. Each key must be one that the token's algorithm
// may use. The error is ErrRefused, when it is signed and its claims cannot be read.
func (u unverified) verify(keys []jose.JSONWebKey) (c tokenClaims, signed bool, err error) {
	for _, k := range keys {
		var raw rawClaims
		if u.token.Claims(k.Key, &raw) != nil {
			continue
		}
		if c, err = readClaims(raw); err != nil {
			return tokenClaims{}, true, errClaims
		}
		c.by = k
		return c, true, nil
	}
	return tokenClaims{}, false, nil
}

// readClaims reads claims that are verified, now or before. Their names are told apart by case (RFC 7519, section 4).
func readClaims(raw []byte) (tokenClaims, error) {
	c := tokenClaims{raw: raw}
	if err := strict.Unmarshal(raw, &c.Claims); err != nil {
		return tokenClaims{}, err
	}
	return c, nil
}

// maxDate is the last second of the year 9999, in seconds since 1970. After it no time can be written in an answer (RFC 3339, section 1).
// Dates of today that count milliseconds are far beyond it.
const maxDate = 253402300799

// checkDates refuses dates that do not count seconds. Such an exp would be thousands of years away, and such an nbf or iat never past.
func (c tokenClaims) checkDates() error {
	for _, d := range []struct {
		name string
		date *jwt.NumericDate
	}{{"exp", c.Expiry}, {"nbf", c.NotBefore}, {"iat", c.IssuedAt}} {
		if d.date != nil && *d.date > maxDate {
			return fmt.Errorf("%w: its %s is after the year 9999: write seconds since 1970 (RFC 7519, section 2), not milliseconds", ErrRefused, d.name)
		}
	}
	return nil
}

// lifetime returns how long a token that ends is good: from when it was made, or from now where it does not say when.
func (c tokenClaims) lifetime(now time.Time) time.Duration {
	if c.IssuedAt == nil {
		return c.Expiry.Time().Sub(now.Add(leeway))
	}
	return c.Expiry.Time().Sub(c.IssuedAt.Time())
}

// rawClaims takes the text of an object.
type rawClaims []byte

// UnmarshalJSON implements json.Unmarshaler.
func (r *rawClaims) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '{' {
		return errors.New("claims are no object")
	}
	*r = append((*r)[:0], b...)
	return nil
}
