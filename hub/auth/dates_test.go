package auth

import (
	"context"
	"crypto/elliptic"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/runnel-dev/runnel/hub/config"
)

// TestATokenMustEndInTime has issuers write dates as programs do: in seconds, in smaller units, and beyond all numbers.
func TestATokenMustEndInTime(t *testing.T) {
	const (
		milliseconds = "after the year 9999: write seconds since 1970 (RFC 7519, section 2), not milliseconds"
		noNumber     = "exp, nbf and iat numbers of seconds since 1970"
		day          = 24 * time.Hour
	)
	c := newClock()
	now := c.Now()
	hmac := func(name string, longest time.Duration) config.TokenIssuer {
		return config.TokenIssuer{Issuer: name, Audiences: []string{forReader}, HMAC: hmacOf, Topics: []string{">"}, MaxTokenLifetime: config.Duration(longest)}
	}
	s := subscribers(t, c, config.JWT{Tickets: ticket, Issuers: []config.TokenIssuer{hmac(idp, 0), hmac("an hour", time.Hour), hmac("a year", 365*day)}},
		content{hmacOf.String(): secret, ticket.String(): secret})
	e := ec(t, elliptic.P256())
	p := publishers(t, []config.Grant{{Namespace: "team-a", Name: config.EveryAccount, Topics: []string{">"}}}, public(e, "e"))
	p.now = c.Now
	in := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, c := range map[string]struct {
		change            map[string]any
		reader, publisher string // part of the refusal of a subscriber and of a ServiceAccount; empty for none
	}{
		"exp in ms":                {map[string]any{"exp": now.Add(time.Hour).UnixMilli()}, "its exp is " + milliseconds, "its exp is " + milliseconds},
		"exp in ms, no iat":        {map[string]any{"exp": now.Add(time.Hour).UnixMilli(), "iat": nil}, "its exp is " + milliseconds, "its exp is " + milliseconds},
		"exp in ms, and over":      {map[string]any{"exp": now.Add(-time.Hour).UnixMilli()}, "its exp is " + milliseconds, "its exp is " + milliseconds},
		"exp in µs":                {map[string]any{"exp": now.Add(time.Hour).UnixMicro()}, "its exp is " + milliseconds, "its exp is " + milliseconds},
		"exp in ns":                {map[string]any{"exp": now.Add(time.Hour).UnixNano()}, "its exp is " + milliseconds, "its exp is " + milliseconds},
		"all in ms":                {map[string]any{"exp": now.Add(time.Minute).UnixMilli(), "iat": now.UnixMilli(), "nbf": now.UnixMilli()}, "its exp is " + milliseconds, "its exp is " + milliseconds},
		"nbf in ms":                {map[string]any{"nbf": now.UnixMilli()}, "its nbf is " + milliseconds, "its nbf is " + milliseconds},
		"iat in ms":                {map[string]any{"iat": now.UnixMilli()}, "its iat is " + milliseconds, "its iat is " + milliseconds},
		"exp as far as numbers go": {map[string]any{"exp": int64(1<<63 - 1)}, noNumber, noNumber},
		"exp beyond numbers":       {map[string]any{"exp": 1e300}, noNumber, noNumber},
		"exp before numbers":       {map[string]any{"exp": -1e300}, noNumber, noNumber},
		"nbf beyond numbers":       {map[string]any{"nbf": 1e300}, noNumber, noNumber},
		"iat before numbers":       {map[string]any{"iat": -1e300}, noNumber, noNumber},
		"a fraction of a second":   {map[string]any{"exp": float64(in(time.Hour)) + 0.5}, "", ""},
		"24 h":                     {map[string]any{"exp": in(day)}, "", ""},
		"24 h and a second":        {map[string]any{"exp": in(day + time.Second)}, "", "longer than 24h"},
		"30 days":                  {map[string]any{"exp": in(30 * day)}, "", "longer than 24h"},
		"30 days and a second":     {map[string]any{"exp": in(30*day + time.Second)}, "more than 720h", "longer than 24h"},
		"30 days, made before":     {map[string]any{"exp": in(time.Hour), "iat": in(time.Hour - 30*day)}, "", "longer than 24h"},
		"made in 1970":             {map[string]any{"exp": in(time.Hour), "iat": 1}, "more than 720h", "longer than 24h"},
		"made before all":          {map[string]any{"exp": in(time.Hour), "iat": -(1 << 61)}, "more than 720h", "longer than 24h"},
		"no iat, 30 days":          {map[string]any{"exp": in(30 * day), "iat": nil}, "", "no exp or no iat"},
		"no iat, longer":           {map[string]any{"exp": in(30*day + time.Minute), "iat": nil}, "more than 720h", "no exp or no iat"},
		"its issuer's hour":        {map[string]any{"exp": in(time.Hour), "iss": "an hour"}, "", "issuer"},
		"more than that":           {map[string]any{"exp": in(time.Hour + time.Second), "iss": "an hour"}, "more than 1h0m0s, which is the most for its issuer", "issuer"},
		"its issuer's year":        {map[string]any{"exp": in(365 * day), "iss": "a year"}, "", "issuer"},
		"more than a year":         {map[string]any{"exp": in(366 * day), "iss": "a year"}, "raise maxTokenLifetime", "issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(who string, err error, want string) {
				t.Helper()
				if want == "" && err != nil || want != "" && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), want)) {
					t.Errorf("%s: %v, want %q", who, err, want)
				}
			}
			for range 2 { // verified, and from memory
				_, err := s.Authenticate(context.Background(), Credentials{Authorization: "Bearer " + sign(t, jose.HS256, []byte(secret), "", says(now, c.change))})
				check("subscriber", err, c.reader)
			}
			of := says(now, map[string]any{"iss": issuer, "sub": "system:serviceaccount:team-a:checkout", "aud": audience})
			for claim, value := range c.change {
				if of[claim] = value; value == nil {
					delete(of, claim)
				}
			}
			_, err := p.Authenticate("Bearer " + sign(t, jose.ES256, e, "e", of))
			check("ServiceAccount", err, c.publisher)
		})
	}
}

// TestATicketIsHeldToTheLifetimeOfNow has a ticket opened by a hub whose configuration lets tokens live less long than when it was made.
func TestATicketIsHeldToTheLifetimeOfNow(t *testing.T) {
	c := newClock()
	of := func(longest time.Duration) *Subscribers {
		return subscribers(t, c, config.JWT{Tickets: ticket, Issuers: []config.TokenIssuer{
			{Issuer: idp, Audiences: []string{forReader}, HMAC: hmacOf, Topics: []string{">"}, MaxTokenLifetime: config.Duration(longest)},
		}}, content{hmacOf.String(): secret, ticket.String(): secret})
	}
	made := ticketFor(t, of(time.Hour), says(c.Now(), nil), "", "orders")
	if _, err := of(time.Hour).Authenticate(context.Background(), Credentials{Ticket: made.Text}); err != nil {
		t.Error(err)
	}
	if _, err := of(time.Minute).Authenticate(context.Background(), Credentials{Ticket: made.Text}); !errors.Is(err, ErrTicket) || !strings.Contains(err.Error(), "more than 1m0s") {
		t.Error(err)
	}
}
