package hub_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

const idp = "https://id.example"

var readersSecret = strings.Repeat("r", 64)

// tokenOf makes a token for subject, good for an hour, with other claims changed.
func tokenOf(t testing.TB, subject string, change map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(readersSecret)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{"iss": idp, "sub": subject, "aud": "shop", "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(claims, change)
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func secretOf(name string) *config.Reference {
	return &config.Reference{Kind: config.KindSecret, Name: name, Key: "secret"}
}

// byJWT lets in readers whose tokens are signed by the Secret hmac; they may read orders and what is their own.
func byJWT(c *config.Config) {
	c.Topics = append(c.Topics, config.Topic{Name: "users.>", Events: 10, Age: config.Duration(time.Hour)})
	c.Auth.Subscribers = config.Subscribers{JWT: &config.JWT{Issuers: []config.TokenIssuer{
		{Issuer: idp, Audiences: []string{"shop"}, HMAC: secretOf("hmac"), Topics: []string{"orders", "undeclared", "users.{sub}.>"}},
	}}}
}

func startJWT(t *testing.T, change func(*config.Config)) *server {
	t.Helper()
	return startJWTWith(t, hub.Options{}, change)
}

func startJWTWith(t *testing.T, o hub.Options, change func(*config.Config)) *server {
	t.Helper()
	return startJWTFrom(t, newReferences(t), o, change)
}

func startJWTFrom(t *testing.T, held references, o hub.Options, change func(*config.Config)) *server {
	t.Helper()
	held.put("hmac", "secret", readersSecret)
	held.put("tickets", "secret", "tickets"+readersSecret)
	o.References = held.dir
	return startWith(t, o, func(c *config.Config) {
		byJWT(c)
		if change != nil {
			change(c)
		}
	})
}

func asBearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

func TestReadersNeedTokens(t *testing.T) {
	s := startJWT(t, func(c *config.Config) { c.CORS.AllowedOrigins = []string{"https://shop.example"} })
	alice := tokenOf(t, "alice", nil)
	for name, c := range map[string]struct {
		query, token string
		status       int
		want         string // in the body
		challenge    string
	}{
		"none":             {"topic=orders", "", 401, `"credential_missing"`, `Bearer realm="team-a/shop"`},
		"bad":              {"topic=orders", alice + "x", 401, `"token_refused"`, `Bearer realm="team-a/shop", error="invalid_token", error_description="token is refused: `},
		"expired":          {"topic=orders", tokenOf(t, "alice", map[string]any{"exp": 1}), 401, `it has expired`, `error="invalid_token"`},
		"in milliseconds":  {"topic=orders", tokenOf(t, "alice", map[string]any{"exp": time.Now().Add(time.Hour).UnixMilli()}), 401, `not milliseconds`, `its exp is after the year 9999`},
		"for a year":       {"topic=orders", tokenOf(t, "alice", map[string]any{"exp": time.Now().Add(365 * 24 * time.Hour).Unix()}), 401, `raise maxTokenLifetime`, `it is good for more than 720h`},
		"not granted":      {"topic=last", alice, 403, `you may not read last: your token may read orders, undeclared, users.alice.>`, ""},
		"another's":        {"topic=users.bob.x", alice, 403, `you may not read users.bob.x`, ""},
		"one of two":       {"topic=orders&topic=last", alice, 403, `you may not read last`, ""},
		"overlap":          {"topic=users.*.x", alice, 403, `you may not read users.*.x`, ""},
		"everything":       {"topic=>", alice, 403, `you may not read >`, ""},
		"a wild subject":   {"topic=users.bob.x", tokenOf(t, "*", nil), 403, `you may not read`, ""},
		"granted":          {"topic=orders&topic=users.alice.>", alice, 200, "", ""},
		"not declared":     {"topic=undeclared", alice, 404, `"topic_not_declared"`, ""},
		"unknown by whom?": {"topic=undeclared", "", 401, `"credential_missing"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			header := []string{"Accept", "text/event-stream", "Origin", "https://shop.example"}
			if c.token != "" {
				header = append(header, asBearer(c.token)...)
			}
			if c.status == 200 {
				s.read(c.query, header...).expect("runnel-open", "live")
				return
			}
			resp, body := do(t, "GET", s.url(c.query), "", header...)
			if resp.StatusCode != c.status || !strings.Contains(body, c.want) || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), c.challenge) && !strings.Contains(resp.Header.Get("WWW-Authenticate"), c.challenge) {
				t.Errorf("%d %s %v", resp.StatusCode, body, resp.Header)
			}
			if vary := strings.Join(resp.Header.Values("Vary"), ", "); vary != "Origin, Accept, Authorization" || resp.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" ||
				resp.Header.Get("Access-Control-Expose-Headers") != "Runnel-Resume, Runnel-Cursor, Retry-After" {
				t.Errorf("a page cannot read the answer, or a cache mixes answers: %v", resp.Header)
			}
			if c.token != "" && strings.Contains(body, c.token) || c.status == 404 && strings.Contains(body, "alice") && !strings.Contains(c.query, "alice") {
				t.Errorf("the answer tells what the token holds: %s", body)
			}
		})
	}
}

func TestAChallengeIsWellFormed(t *testing.T) {
	s := startJWT(t, func(c *config.Config) { c.Auth.Subscribers.JWT.Issuers[0].Audiences = []string{`a"b\c` + "\u00e9"} })
	resp, body := do(t, "GET", s.url("topic=orders"), "", asBearer(tokenOf(t, "alice", nil))...)
	if got := resp.Header.Get("WWW-Authenticate"); !strings.HasSuffix(got, `for one of audience a'b'c'"`) {
		t.Errorf("%s: %s", got, body)
	}
}

func TestTokensInCookiesAndQueries(t *testing.T) {
	alice := tokenOf(t, "alice", nil)
	with := func(cookie string, query bool) *server {
		return startJWT(t, func(c *config.Config) {
			c.CORS = config.CORS{AllowedOrigins: []string{"https://shop.example"}, AllowCredentials: true}
			c.Auth.Subscribers.JWT.Cookie, c.Auth.Subscribers.JWT.AllowQueryToken = cookie, query
		})
	}
	both, neither := with("__Secure-runnel", true), with("", false)
	c := both.read("topic=users.alice.x", "Cookie", "a=b; __Secure-runnel="+alice, "Origin", "https://shop.example")
	c.expect("runnel-open", "live")
	if h := c.resp.Header; h.Get("Access-Control-Allow-Credentials") != "true" || !strings.Contains(strings.Join(h.Values("Vary"), ", "), "Cookie") {
		t.Errorf("%v", h)
	}
	both.read("topic=users.alice.x&access_token="+alice).expect("runnel-open", "live")
	for name, r := range map[string]func() (*http.Response, string){
		"a page of another origin": func() (*http.Response, string) {
			return do(t, "GET", both.url("topic=orders"), "", "Cookie", "__Secure-runnel="+alice, "Origin", "https://evil.example")
		},
		"a bad header before a good cookie": func() (*http.Response, string) {
			return do(t, "GET", both.url("topic=orders"), "", "Cookie", "__Secure-runnel="+alice, "Authorization", "Bearer x")
		},
		"a cookie of another name": func() (*http.Response, string) {
			return do(t, "GET", both.url("topic=orders"), "", "Cookie", "runnel="+alice)
		},
		"a cookie where none is wanted": func() (*http.Response, string) {
			return do(t, "GET", neither.url("topic=orders"), "", "Cookie", "__Secure-runnel="+alice)
		},
		"a query where none is wanted": func() (*http.Response, string) {
			return do(t, "GET", neither.url("topic=orders&access_token="+alice), "")
		},
	} {
		if resp, body := r(); resp.StatusCode != 401 && resp.StatusCode != 403 || strings.Contains(body, alice) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	s := startJWT(t, nil)
	stays := s.read("topic=orders", asBearer(tokenOf(t, "alice", nil))...)
	stays.expect("runnel-open", "live")
	const leeway = 10 * time.Second // by which the clocks may differ
	var token string
	var c *reader
	for left := 2 * time.Second; ; left *= 2 { // until the token lasts for as long as it takes to open a stream
		if left > 2*patience {
			t.Fatal("no token lets a reader in")
		}
		token = tokenOf(t, "alice", map[string]any{"exp": time.Now().Add(left - leeway).Unix()})
		c = s.read("topic=orders", asBearer(token)...)
		if e, _ := c.next(); e.typ == "runnel-open" {
			break
		}
	}
	c.expect("runnel-close", `"reason":"token_expired","reconnect":true`)
	c.ends()
	if resp, body := do(t, "GET", s.url("topic=orders"), "", asBearer(token)...); resp.StatusCode != 401 || !strings.Contains(body, "has expired") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	s.publish("orders", "goes on")
	stays.expect("", "goes on")
}

func TestAReloadTakesGrants(t *testing.T) {
	s := startJWT(t, nil)
	alice := asBearer(tokenOf(t, "alice", nil))
	loses, stays, narrow := s.read("topic=orders", alice...), s.read("topic=users.alice.>", alice...), s.read("topic=users.alice.x", alice...)
	for _, c := range []*reader{loses, stays, narrow} {
		c.expect("runnel-open", "live")
	}
	next := base()
	byJWT(next)
	next.Auth.Subscribers.JWT.Issuers[0].Topics = []string{"users.*.>"}
	if err := s.Reload(next); err != nil {
		t.Fatal(err)
	}
	s.publish("orders", "not for those who lost it") // before any of them has noticed
	loses.expect("runnel-close", `"reason":"gone","reconnect":false`)
	loses.ends()
	next = base()
	byJWT(next)
	next.Auth.Subscribers.JWT.Issuers[0].Topics = []string{"users.{sub}.x"}
	if err := s.Reload(next); err != nil {
		t.Fatal(err)
	}
	stays.expect("runnel-close", `"reason":"gone"`)
	s.publish("users.alice.x", "mine")
	narrow.expect("", "mine")
	open := base()
	open.Topics = next.Topics
	if err := s.Reload(open); err != nil {
		t.Fatal(err)
	}
	nobody := s.read("topic=users.alice.x")
	nobody.expect("runnel-open", "live")
	if err := s.Reload(next); err != nil {
		t.Fatal(err)
	}
	nobody.expect("runnel-close", `"reason":"gone"`)
	s.publish("users.alice.x", "still mine")
	narrow.expect("", "still mine")
}

func TestAnIdentityHasItsOwnLimit(t *testing.T) {
	s := startJWT(t, func(c *config.Config) { c.Limits.ConnectionsPerIdentity = 2 })
	alice, bob := asBearer(tokenOf(t, "alice", nil)), asBearer(tokenOf(t, "bob", nil))
	one := s.read("topic=orders", alice...)
	one.expect("runnel-open", "live")
	s.read("topic=orders", asBearer(tokenOf(t, "alice", map[string]any{"jti": "another token"}))...).expect("runnel-open", "live")
	s.read("topic=orders", bob...).expect("runnel-open", "live")
	third := s.read("topic=orders", alice...)
	if e := third.expect("runnel-close", `"reason":"overloaded","reconnect":true`); e.retry == "" || e.id != "" {
		t.Errorf("%+v", e)
	}
	third.ends()
	resp, body := do(t, "GET", s.url("topic=orders"), "", append(alice, "Accept", "application/x-ndjson")...)
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" || !strings.Contains(body, "you have 2 connections") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if got := metrics(t, s); !strings.Contains(got, `runnel_hub_connections_refused_total{reason="identity"} 2`) {
		t.Error(got)
	}
	one.close()
	for { // the place is free as soon as the hub sees the end
		if e, _ := s.read("topic=orders", alice...).next(); e.typ == "runnel-open" {
			return
		}
	}
}

func TestReadersAreRefusedSoftlyUntilTheirIssuersKeysAreThere(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "e"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "e"}}}
	open := make(chan struct{})
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-open:
			_ = json.NewEncoder(w).Encode(keys)
		default:
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(issuer.Close)
	s := startJWT(t, func(c *config.Config) {
		i := &c.Auth.Subscribers.JWT.Issuers[0]
		i.HMAC, i.JWKSURI = nil, issuer.URL+"/keys"
		c.Auth.Subscribers.JWT.Tickets = secretOf("tickets")
	})
	token, err := jwt.Signed(signer).Claims(map[string]any{"iss": idp, "sub": "alice", "aud": "shop", "exp": time.Now().Add(time.Hour).Unix()}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	alice := asBearer(token)
	c := s.read("topic=orders", alice...)
	c.expect("runnel-close", `"reason":"overloaded","reconnect":true`)
	c.ends()
	for name, r := range map[string]func() (*http.Response, string){
		"a program": func() (*http.Response, string) {
			return do(t, "GET", s.url("topic=orders"), "", append(alice, "Accept", "application/x-ndjson")...)
		},
		"a ticket": func() (*http.Response, string) {
			return do(t, "POST", "http://"+s.Addrs().Subscribe+"/v1/tickets", `{"topics":["orders"]}`, alice...)
		},
	} {
		if resp, body := r(); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(body, `"not_ready"`) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	if got := metrics(t, s); !strings.Contains(got, `runnel_hub_connections_refused_total{reason="keys"} 2`) {
		t.Error(got)
	}
	s.untilMissing("keys of issuer " + idp + " (" + issuer.URL + "/keys): it answers 502")
	close(open)
	s.untilMissing("") // the hub tries again by itself
	s.read("topic=orders", alice...).expect("runnel-open", "live")
}

// untilMissing waits until the hub says that it waits for this and nothing else.
func (s *server) untilMissing(want string) {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		got := strings.Join(s.Status().Missing, "\n")
		if got == want {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("missing: %q, want %q", got, want)
		}
	}
}

// Common proxies take no more than 4 KiB of an answer's headers, and answer 502 in its place.
func TestAChallengeFitsTheHeadersOfAProxy(t *testing.T) {
	s := startJWT(t, func(c *config.Config) {
		for i := range 15 {
			other := c.Auth.Subscribers.JWT.Issuers[0]
			other.Issuer = idp + "/" + strings.Repeat("i", 300+i)
			c.Auth.Subscribers.JWT.Issuers = append(c.Auth.Subscribers.JWT.Issuers, other)
		}
	})
	resp, body := do(t, "GET", s.url("topic=orders"), "", asBearer(tokenOf(t, "alice", map[string]any{"iss": "https://unknown.example"}))...)
	challenge := resp.Header.Get("WWW-Authenticate")
	if resp.StatusCode != 401 || len(challenge) > 1<<10 || !strings.HasSuffix(challenge, `"`) || !strings.Contains(challenge, "it is not of "+idp) {
		t.Errorf("%d, %d bytes: %s", resp.StatusCode, len(challenge), challenge)
	}
	if !strings.Contains(body, strings.Repeat("i", 314)) {
		t.Errorf("the body tells all: %s", body)
	}
}
