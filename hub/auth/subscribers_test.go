package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
)

const (
	idp       = "https://id.example"
	otherIDP  = "https://other.example"
	forReader = "shop"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// content is what references name, by their text.
type content map[string]string

func (c content) read(r config.Reference) ([]byte, error) {
	if text, ok := c[r.String()]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}

var (
	jwksOf = &config.Reference{Kind: config.KindConfigMap, Name: "jwks", Key: "keys"}
	hmacOf = &config.Reference{Kind: config.KindSecret, Name: "hmac", Key: "secret"}
	ticket = &config.Reference{Kind: config.KindSecret, Name: "tickets", Key: "key"}
)

var secret = strings.Repeat("s", minSecretBytes)

func keyset(t testing.TB, keys ...jose.JSONWebKey) string {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// says are the claims of a token that alice's issuer makes, changed by a test; a nil value takes one away.
func says(now time.Time, change map[string]any) map[string]any {
	c := map[string]any{"iss": idp, "sub": "alice", "aud": forReader, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func jwtConfig(stream string, j config.JWT) *config.Config {
	return &config.Config{Stream: config.Stream{Namespace: "team-a", Name: stream}, Auth: config.Auth{Subscribers: config.Subscribers{JWT: &j}}}
}

func subscribers(t testing.TB, c *clock, j config.JWT, refs content) *Subscribers {
	t.Helper()
	s, err := NewSubscribers(jwtConfig("shop", j), refs.read, NewRemoteKeys(nil, c.Now))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ec(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func reads(t testing.TB, r *Reader, topic string) bool {
	t.Helper()
	s, err := event.ParseSelector(topic)
	if err != nil {
		t.Fatal(err)
	}
	return r.MayRead(s)
}

func TestSubjectsOfTwoIssuersAreTwo(t *testing.T) {
	c := newClock()
	e := ec(t, elliptic.P256())
	s := subscribers(t, c, config.JWT{Issuers: []config.TokenIssuer{
		{Issuer: idp, Audiences: []string{forReader}, JWKS: jwksOf, Topics: []string{"users.{sub}.>"}},
		{Issuer: otherIDP, Audiences: []string{forReader}, HMAC: hmacOf, Topics: []string{"guests.{sub}.>"}},
	}}, content{jwksOf.String(): keyset(t, public(e, "e")), hmacOf.String(): secret + "\n"})
	identities := map[string]bool{}
	for _, token := range []string{
		sign(t, jose.ES256, e, "e", says(c.Now(), nil)),
		sign(t, jose.HS512, []byte(strings.Repeat(secret, 2)[:64]), "", says(c.Now(), map[string]any{"iss": otherIDP})),
		sign(t, jose.HS256, []byte(secret), "any", says(c.Now(), map[string]any{"iss": otherIDP})), // of a secret that an editor saved
		sign(t, jose.HS256, []byte(secret+"\n"), "", says(c.Now(), map[string]any{"iss": otherIDP, "sub": nil, "jti": "1"})),
		sign(t, jose.HS256, []byte(secret), "", says(c.Now(), map[string]any{"iss": otherIDP, "sub": nil, "jti": "2"})),
	} {
		who, err := s.Authenticate(context.Background(), Credentials{Authorization: "bearer " + token})
		if err != nil {
			continue // the second: another secret
		}
		identities[who.Identity()] = true
		if reads(t, who, "users.alice.x") == reads(t, who, "guests.alice.x") && who.subject != "" {
			t.Errorf("%q reads both or none", who.Identity())
		}
	}
	if len(identities) != 4 {
		t.Errorf("%d identities: %v", len(identities), identities)
	}
}

func TestRememberedTokens(t *testing.T) {
	c := newClock()
	e := ec(t, elliptic.P256())
	s := subscribers(t, c, config.JWT{Issuers: []config.TokenIssuer{{Issuer: idp, Audiences: []string{forReader}, JWKS: jwksOf, Topics: []string{">"}}}},
		content{jwksOf.String(): keyset(t, public(e, "e"))})
	token := Credentials{Authorization: "Bearer " + sign(t, jose.ES256, e, "e", says(c.Now(), nil))}
	one, err := s.Authenticate(context.Background(), token)
	if err != nil {
		t.Fatal(err)
	}
	if two, err := s.Authenticate(context.Background(), token); err != nil || two != one {
		t.Errorf("verified again: %v", err)
	}
	if got, want := one.Until(), time.Unix(c.Now().Add(time.Hour).Unix(), 0).Add(leeway); !got.Equal(want) {
		t.Errorf("until %v, want %v", got, want)
	}
	c.advance(time.Hour + leeway + time.Second)
	if _, err := s.Authenticate(context.Background(), token); !errors.Is(err, ErrRefused) {
		t.Errorf("a remembered token outlives itself: %v", err)
	}
	for i := range 2 * maxVerified {
		s.verified.put(fmt.Sprint(i), verifiedReader{})
	}
	if len(s.verified.by) > maxVerified {
		t.Errorf("%d tokens are remembered", len(s.verified.by))
	}
	// A reader's claims are remembered with its token: whoever gets many long tokens must not fill the hub's memory.
	for i := range maxVerified / 2 {
		s.verified.put(fmt.Sprintf("%0*d", maxTokenBytes, i), verifiedReader{})
	}
	if got := len(s.verified.by); got*maxTokenBytes > maxVerifiedBytes {
		t.Errorf("%d long tokens are remembered", got)
	}
}

func TestWhichCredentialCounts(t *testing.T) {
	c := newClock()
	tokenOf := func(sub string) string {
		return sign(t, jose.HS256, []byte(secret), "", says(c.Now(), map[string]any{"sub": sub}))
	}
	j := config.JWT{Issuers: []config.TokenIssuer{{Issuer: idp, Audiences: []string{forReader}, HMAC: hmacOf, Topics: []string{"{sub}"}}}}
	plain := subscribers(t, c, j, content{hmacOf.String(): secret})
	j.Cookie, j.AllowQueryToken, j.Tickets = "__Secure-runnel", true, ticket
	all := subscribers(t, c, j, content{hmacOf.String(): secret, ticket.String(): secret})
	boxed := func() string {
		who, err := all.Authenticate(context.Background(), Credentials{Authorization: "Bearer " + tokenOf("ticket")})
		if err != nil {
			t.Fatal(err)
		}
		made, err := all.Ticket(who, who.grants, "")
		if err != nil {
			t.Fatal(err)
		}
		return made.Text
	}()
	for name, c := range map[string]struct {
		by   *Subscribers
		sent Credentials
		want string // subject, or part of the refusal
		err  error
	}{
		"header":              {all, Credentials{Authorization: "Bearer " + tokenOf("header"), Ticket: boxed, Cookie: tokenOf("cookie"), Query: tokenOf("query")}, "header", nil},
		"ticket":              {all, Credentials{Ticket: boxed, Cookie: tokenOf("cookie"), Query: tokenOf("query")}, "ticket", nil},
		"cookie":              {all, Credentials{Cookie: tokenOf("cookie"), Query: tokenOf("query")}, "cookie", nil},
		"query":               {all, Credentials{Query: tokenOf("query")}, "query", nil},
		"bad header":          {all, Credentials{Authorization: "Bearer x", Cookie: tokenOf("cookie")}, "no JSON Web Token", ErrRefused},
		"other scheme":        {all, Credentials{Authorization: "Basic eDp5", Ticket: boxed, Cookie: tokenOf("cookie")}, "ticket", nil},
		"other, no ticket":    {all, Credentials{Authorization: "Basic eDp5", Cookie: tokenOf("cookie")}, "cookie", nil},
		"other, bad ticket":   {all, Credentials{Authorization: "Basic eDp5", Ticket: "x"}, "POST /v1/tickets", ErrTicket},
		"nothing but other":   {all, Credentials{Authorization: "Basic eDp5"}, "`Authorization: Bearer <token>`", ErrMissing},
		"no scheme":           {all, Credentials{Authorization: tokenOf("header")}, "`Authorization: Bearer <token>`", ErrMissing},
		"no token":            {all, Credentials{Authorization: "Bearer", Cookie: tokenOf("cookie")}, "`Bearer <token>`", ErrRefused},
		"bad ticket":          {all, Credentials{Ticket: "x", Cookie: tokenOf("cookie")}, "POST /v1/tickets", ErrTicket},
		"bad cookie":          {all, Credentials{Cookie: "x", Query: tokenOf("query")}, "no JSON Web Token", ErrRefused},
		"none":                {all, Credentials{}, "the cookie __Secure-runnel, or ?ticket=", ErrMissing},
		"cookie not wanted":   {plain, Credentials{Cookie: tokenOf("cookie")}, "Authorization: Bearer", ErrMissing},
		"query not wanted":    {plain, Credentials{Query: tokenOf("query")}, "not taken from the query", ErrMissing},
		"ticket not offered":  {plain, Credentials{Ticket: boxed}, "no tickets", ErrTicket},
		"a ticket in headers": {all, Credentials{Authorization: "Bearer " + boxed}, "no JSON Web Token", ErrRefused},
		"a token as ticket":   {all, Credentials{Ticket: tokenOf("x")}, "not of this stream", ErrTicket},
	} {
		who, err := c.by.Authenticate(context.Background(), c.sent)
		if c.err != nil {
			if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
			continue
		}
		if err != nil || who.subject != c.want {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}

func TestAnonymousReaders(t *testing.T) {
	s, err := NewSubscribers(&config.Config{Auth: config.Auth{Subscribers: config.Subscribers{Anonymous: &config.Anonymous{}}}}, content{}.read, NewRemoteKeys(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	who, err := s.Authenticate(context.Background(), Credentials{Authorization: "Bearer nonsense"})
	if err != nil || !reads(t, who, ">") || who.Identity() != "" || !who.Until().IsZero() {
		t.Errorf("%+v, %v", who, err)
	}
}

func TestUnreadableRulesForReaders(t *testing.T) {
	for name, issuers := range map[string][]config.TokenIssuer{
		"topics":       {{Issuer: idp, HMAC: hmacOf, Topics: []string{"a..b"}}},
		"issuer twice": {{Issuer: idp, HMAC: hmacOf, Topics: []string{"a"}}, {Issuer: idp, HMAC: hmacOf, Topics: []string{"b"}}},
	} {
		if _, err := NewSubscribers(jwtConfig("shop", config.JWT{Issuers: issuers}), content{}.read, NewRemoteKeys(nil, nil)); err == nil || !strings.Contains(err.Error(), idp) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsMissingLetsNobodyIn(t *testing.T) {
	c := newClock()
	j := config.JWT{Tickets: ticket, Issuers: []config.TokenIssuer{
		{Issuer: idp, Audiences: []string{forReader}, JWKS: jwksOf, Topics: []string{">"}},
		{Issuer: otherIDP, Audiences: []string{forReader}, HMAC: hmacOf, Topics: []string{">"}},
	}}
	token := sign(t, jose.HS256, []byte(secret), "", says(c.Now(), map[string]any{"iss": otherIDP}))
	for name, refs := range map[string]content{
		"nothing is there": {},
		"all is of no use": {jwksOf.String(): `{"keys":[{"kty":"oct","k":"AAAA"}]}`, hmacOf.String(): "too short", ticket.String(): "too short"},
	} {
		s := subscribers(t, c, j, refs)
		missing := strings.Join(s.Missing(), "\n")
		for _, r := range []*config.Reference{jwksOf, hmacOf, ticket} {
			if !strings.Contains(missing, r.String()) {
				t.Errorf("%s: %q", name, missing)
			}
			if slices.ContainsFunc(s.Invalid(), func(i Invalid) bool { return i.Reference == *r }) == (len(refs) == 0) {
				t.Errorf("%s: %v", name, s.Invalid())
			}
		}
		for _, sent := range []Credentials{{Authorization: "Bearer " + token}, {Ticket: "x"}} {
			if _, err := s.Authenticate(context.Background(), sent); !errors.Is(err, ErrNotReady) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
