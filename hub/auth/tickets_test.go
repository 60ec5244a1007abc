package auth

import (
	"context"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
)

var ticketConfig = config.JWT{Tickets: ticket, Issuers: []config.TokenIssuer{
	{Issuer: idp, Audiences: []string{forReader}, HMAC: hmacOf, Topics: []string{"users.{sub}.>", "public"}},
}}

var ticketSecrets = content{hmacOf.String(): secret, ticket.String(): "ticket" + secret}

func choose(t testing.TB, topics ...string) (out []event.Selector) {
	t.Helper()
	for _, topic := range topics {
		s, err := event.ParseSelector(topic)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// ticketFor makes a ticket of a reader who has such claims.
func ticketFor(t testing.TB, s *Subscribers, claims map[string]any, origin string, topics ...string) Ticket {
	t.Helper()
	token := sign(t, jose.HS256, []byte(secret), "", claims)
	who, err := s.Authenticate(context.Background(), Credentials{Authorization: "Bearer " + token})
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.Ticket(who, choose(t, topics...), origin)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestTickets(t *testing.T) {
	const origin = "https://shop.example"
	// flip changes one bit in the middle of a part of a ticket.
	flip := func(part int) func(string) string {
		return func(text string) string {
			parts := strings.Split(text, ".")
			b, err := base64.RawURLEncoding.DecodeString(parts[part])
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			parts[part] = base64.RawURLEncoding.EncodeToString(b)
			return strings.Join(parts, ".")
		}
	}
	for name, c := range map[string]struct {
		after time.Duration
		sent  Credentials // without the ticket
		by    func(*config.Config, content)
		cut   func(string) string
		want  error
		text  string
	}{
		"at once":                {},
		"in time":                {after: TicketWindow},
		"too late":               {after: TicketWindow + time.Second, want: ErrTicket, text: "within 1m0s"},
		"again":                  {after: TicketWindow + time.Second, sent: Credentials{ComesBack: true}},
		"again, much later":      {after: 59 * time.Minute, sent: Credentials{ComesBack: true}},
		"again, at the end":      {after: time.Hour + leeway - 2*time.Second, sent: Credentials{ComesBack: true}},
		"again, after the end":   {after: time.Hour + leeway + time.Second, sent: Credentials{ComesBack: true}, want: ErrTicket, text: "has expired"},
		"its origin":             {sent: Credentials{Origin: origin}},
		"other origin":           {sent: Credentials{Origin: "https://evil.example"}, want: ErrOrigin},
		"other origin, again":    {after: time.Minute + 1, sent: Credentials{Origin: "https://evil.example", ComesBack: true}, want: ErrOrigin},
		"another hub":            {by: func(*config.Config, content) {}},
		"other stream":           {by: func(c *config.Config, _ content) { c.Stream.Name = "blog" }, want: ErrTicket, text: "not of this stream"},
		"other namespace":        {by: func(c *config.Config, _ content) { c.Stream.Namespace = "team-b" }, want: ErrTicket, text: "not of this stream"},
		"other secret":           {by: func(_ *config.Config, s content) { s[ticket.String()] = secret }, want: ErrTicket, text: "its secret has changed"},
		"secret is gone":         {by: func(_ *config.Config, s content) { delete(s, ticket.String()) }, want: ErrNotReady},
		"issuer's key is gone":   {by: func(_ *config.Config, s content) { delete(s, hmacOf.String()) }, want: ErrNotReady},
		"issuer's key is new":    {by: func(_ *config.Config, s content) { s[hmacOf.String()] = "new" + secret }, want: ErrTicket, text: "has been taken back"},
		"its line's end is new":  {by: func(_ *config.Config, s content) { s[hmacOf.String()] += "\n" }},
		"issuer is gone":         {by: func(c *config.Config, _ content) { c.Auth.Subscribers.JWT.Issuers[0].Issuer = otherIDP }, want: ErrTicket, text: "no longer taken"},
		"audience is gone":       {by: func(c *config.Config, _ content) { c.Auth.Subscribers.JWT.Issuers[0].Audiences = []string{"blog"} }, want: ErrTicket, text: "audience blog"},
		"changed header":         {cut: flip(0), want: ErrTicket},
		"changed nonce":          {cut: flip(2), want: ErrTicket},
		"changed content":        {cut: flip(3), want: ErrTicket},
		"changed tag":            {cut: flip(4), want: ErrTicket},
		"cut off":                {cut: func(s string) string { return s[:len(s)-30] }, want: ErrTicket},
		"as long as it may be":   {cut: func(string) string { return strings.Repeat("x", maxTicketBytes) }, want: ErrTicket, text: "not of this stream"},
		"longer":                 {cut: func(string) string { return strings.Repeat("x", maxTicketBytes+1) }, want: ErrTicket, text: "longer than"},
		"a token in its place":   {cut: func(string) string { return "a.b.c" }, want: ErrTicket},
		"nothing but separators": {cut: func(string) string { return "...." }, want: ErrTicket},
	} {
		t.Run(name, func(t *testing.T) {
			clk := newClock()
			s := subscribers(t, clk, ticketConfig, ticketSecrets)
			made := ticketFor(t, s, says(clk.Now(), nil), origin, "users.alice.orders")
			if !made.Expires.Equal(time.Unix(clk.Now().Add(time.Hour).Unix(), 0)) {
				t.Errorf("expires %v", made.Expires)
			}
			if c.by != nil {
				cfg, secrets := jwtConfig("shop", ticketConfig), content{hmacOf.String(): secret, ticket.String(): "ticket" + secret}
				issuers := append([]config.TokenIssuer(nil), ticketConfig.Issuers...)
				cfg.Auth.Subscribers.JWT.Issuers = issuers
				c.by(cfg, secrets)
				var err error
				if s, err = NewSubscribers(cfg, secrets.read, NewRemoteKeys(nil, clk.Now)); err != nil {
					t.Fatal(err)
				}
			}
			clk.advance(c.after)
			c.sent.Ticket = made.Text
			if c.cut != nil {
				c.sent.Ticket = c.cut(made.Text)
			}
			who, err := s.Authenticate(context.Background(), c.sent)
			if c.want != nil {
				if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), c.sent.Ticket) {
					t.Errorf("%v, want %v with %q", err, c.want, c.text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !reads(t, who, "users.alice.orders") || reads(t, who, "users.alice.>") || reads(t, who, "public") || who.Identity() != idp+"\x00alice" {
				t.Errorf("%+v", who)
			}
		})
	}
}

func TestTicketsTellNothing(t *testing.T) {
	c := newClock()
	s := subscribers(t, c, ticketConfig, ticketSecrets)
	one, two := ticketFor(t, s, says(c.Now(), nil), "", "public"), ticketFor(t, s, says(c.Now(), nil), "", "public")
	if one.Text == two.Text {
		t.Error("two tickets are the same")
	}
	for _, part := range strings.Split(one.Text, ".") {
		if b, err := base64.RawURLEncoding.DecodeString(part); err != nil || strings.Contains(string(b), "alice") || strings.Contains(string(b), "public") {
			t.Errorf("%q, %v", b, err)
		}
	}
}

func TestATicketGrantsNoMoreThanItsStreamDoesNow(t *testing.T) {
	c := newClock()
	made := ticketFor(t, subscribers(t, c, ticketConfig, ticketSecrets), says(c.Now(), map[string]any{"tenant": "t1"}), "", "users.alice.>")
	for templates, want := range map[string]bool{"users.{sub}.>": true, "users.{sub}.orders": false, "users.*.>": true, "tenants.{tenant}.>": false} {
		j := ticketConfig
		j.Issuers = []config.TokenIssuer{{Issuer: idp, Audiences: []string{forReader}, HMAC: hmacOf, Topics: []string{templates}}}
		who, err := subscribers(t, c, j, ticketSecrets).Authenticate(context.Background(), Credentials{Ticket: made.Text})
		if err != nil || reads(t, who, "users.alice.>") != want || reads(t, who, "users.bob.x") || reads(t, who, "tenants.t1.x") {
			t.Errorf("%s: %+v, %v", templates, who, err)
		}
	}
}

func TestTicketsFitAURL(t *testing.T) {
	c := newClock()
	s := subscribers(t, c, ticketConfig, ticketSecrets)
	token := sign(t, jose.HS256, []byte(secret), "", says(c.Now(), map[string]any{"sub": "a"}))
	who, err := s.Authenticate(context.Background(), Credentials{Authorization: "Bearer " + token})
	if err != nil {
		t.Fatal(err)
	}
	var many []string
	for i := range 64 { // that do not compress well
		many = append(many, "users.a."+base64.RawURLEncoding.EncodeToString(digest(i)))
	}
	if _, err := s.Ticket(who, choose(t, many...), ""); err != nil {
		t.Errorf("64 topics of some length: %v", err)
	}
	for i := range many {
		many[i] += base64.RawURLEncoding.EncodeToString(digest(i+64)) + base64.RawURLEncoding.EncodeToString(digest(i+128))
	}
	if _, err := s.Ticket(who, choose(t, many...), ""); !errors.Is(err, ErrTicketLong) || !strings.Contains(err.Error(), "fewer topics") {
		t.Errorf("too much: %v", err)
	}
}

func digest(i int) []byte { d := sha256.Sum256([]byte{byte(i), byte(i >> 8)}); return d[:] }

// An issuer that takes a key back, since it has leaked, takes back the tickets too that are by it.
func TestATicketIsGoodAsLongAsItsIssuerHasTheKeyBehindIt(t *testing.T) {
	c := newClock()
	e, r, next := ec(t, elliptic.P256()), rsaKey(t, minRSABits), ec(t, elliptic.P256())
	keys := newKeyServer(t, httptest.NewServer, text(keyset(t, public(e, "e"), public(r, "r"))))
	j := config.JWT{Tickets: ticket, Issuers: []config.TokenIssuer{{Issuer: idp, Audiences: []string{forReader}, JWKSURI: keys.URL, Topics: []string{">"}}}}
	hubs := make([]*Subscribers, 2)
	for i := range hubs {
		remote := NewRemoteKeys(nil, c.Now)
		t.Cleanup(remote.Close)
		var err error
		if hubs[i], err = NewSubscribers(jwtConfig("shop", j), ticketSecrets.read, remote); err != nil {
			t.Fatal(err)
		}
	}
	ticketBy := func(s *Subscribers, token string) Credentials {
		t.Helper()
		var who *Reader
		eventually(t, "the token is never let in", func() (ok bool) {
			var err error
			who, err = s.Authenticate(context.Background(), Credentials{Authorization: "Bearer " + token})
			return err == nil
		})
		made, err := s.Ticket(who, choose(t, "public"), "")
		if err != nil {
			t.Fatal(err)
		}
		return Credentials{Ticket: made.Text}
	}
	open := func(s *Subscribers, by Credentials) error {
		_, err := s.Authenticate(context.Background(), by)
		return err
	}
	hubs[0].issuers[idp].remote.Follow(hubs[0].KeySources())
	byE := ticketBy(hubs[0], sign(t, jose.ES256, e, "e", says(c.Now(), nil)))
	byR := ticketBy(hubs[0], sign(t, jose.RS256, r, "r", says(c.Now(), nil)))
	if err := open(hubs[1], byE); !errors.Is(err, ErrNotReady) {
		t.Errorf("before the keys are fetched: %v", err)
	}
	hubs[1].issuers[idp].remote.Follow(hubs[1].KeySources())
	eventually(t, "never fetched", func() bool { return len(hubs[1].Missing()) == 0 })
	for _, by := range []Credentials{byE, byR} {
		if err := open(hubs[1], by); err != nil {
			t.Error(err)
		}
	}

	keys.serve(text(keyset(t, public(e, "renamed"), public(next, "next"))))
	byNext := ticketBy(hubs[0], sign(t, jose.ES256, next, "next", says(c.Now(), nil)))
	if err := open(hubs[1], byNext); err != nil {
		t.Errorf("by a key that only the other hub had fetched: %v", err)
	}
	for i, s := range hubs {
		if err := open(s, byE); err != nil {
			t.Errorf("hub %d, by the key that is left: %v", i, err)
		}
		c.advance(unknownInterval)
		if err := open(s, byR); !errors.Is(err, ErrTicket) || !strings.Contains(err.Error(), "has been taken back") {
			t.Errorf("hub %d, by the key that is gone: %v", i, err)
		}
	}
}
