package auth

import (
	"context"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/runnel-dev/runnel/hub/config"
)

func TestWhoIsStillGrantedAfterAReload(t *testing.T) {
	c := newClock()
	issuer := config.TokenIssuer{Issuer: idp, Audiences: []string{forReader}, HMAC: hmacOf, Topics: []string{"users.{sub}.>"}}
	before := subscribers(t, c, config.JWT{Tickets: ticket, Issuers: []config.TokenIssuer{issuer}}, ticketSecrets)
	token := sign(t, jose.HS256, []byte(secret), "", says(c.Now(), map[string]any{"tenant": "t1", "SUB": "bob"}))
	byToken, err := before.Authenticate(context.Background(), Credentials{Authorization: "Bearer " + token})
	if err != nil {
		t.Fatal(err)
	}
	made, err := before.Ticket(byToken, choose(t, "users.alice.*"), "")
	if err != nil {
		t.Fatal(err)
	}
	byTicket, err := before.Authenticate(context.Background(), Credentials{Ticket: made.Text})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*config.TokenIssuer)
		want   bool
	}{
		"nothing":        {func(*config.TokenIssuer) {}, true},
		"more":           {func(i *config.TokenIssuer) { i.Topics = append(i.Topics, "public") }, true},
		"wider":          {func(i *config.TokenIssuer) { i.Topics = []string{">"} }, true},
		"as narrow":      {func(i *config.TokenIssuer) { i.Topics = []string{"users.{sub}.*"} }, true},
		"narrower":       {func(i *config.TokenIssuer) { i.Topics = []string{"users.{sub}.orders"} }, false},
		"another claim":  {func(i *config.TokenIssuer) { i.Topics = []string{"users.{tenant}.>"} }, false},
		"other topics":   {func(i *config.TokenIssuer) { i.Topics = []string{"public"} }, false},
		"a claim's list": {func(i *config.TokenIssuer) { i.Topics, i.TopicsClaim = nil, "topics" }, false},
		"issuer":         {func(i *config.TokenIssuer) { i.Issuer = otherIDP }, false},
		"audience":       {func(i *config.TokenIssuer) { i.Audiences = []string{"blog"} }, false},
		"more audiences": {func(i *config.TokenIssuer) { i.Audiences = []string{"blog", forReader} }, true},
		"keys":           {func(i *config.TokenIssuer) { i.HMAC, i.JWKS = nil, jwksOf }, true},
	} {
		changed := issuer
		changed.Topics = append([]string(nil), issuer.Topics...)
		c.change(&changed)
		after := subscribers(t, newClock(), config.JWT{Issuers: []config.TokenIssuer{changed}}, content{})
		for who, r := range map[string]*Reader{"token": byToken, "ticket": byTicket} {
			for _, r := range []*Reader{r, r.Admitted()} {
				if got := after.Granted(r, choose(t, "users.alice.*")); got != c.want {
					t.Errorf("%s, by %s: %v", name, who, got)
				}
			}
		}
	}
	if r := byToken.Admitted(); reads(t, r, "users.alice.x") || !r.Until().Equal(byToken.Until()) || len(r.grants) > 0 || r.rules != nil {
		t.Errorf("%+v", r)
	}
	// A claim that no grant needed before may be needed now, of a ticket too.
	tenants := issuer
	tenants.Topics = []string{"users.alice.*", "tenants.{tenant}"}
	after := subscribers(t, newClock(), config.JWT{Issuers: []config.TokenIssuer{tenants}}, content{})
	if !after.Granted(byToken, choose(t, "tenants.t1")) || after.Granted(byTicket, choose(t, "tenants.t1")) {
		t.Error("by a claim that was not needed before")
	}
	anonymous, err := NewSubscribers(&config.Config{Auth: config.Auth{Subscribers: config.Subscribers{Anonymous: &config.Anonymous{}}}}, content{}.read, NewRemoteKeys(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	everybody, err := anonymous.Authenticate(context.Background(), Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	if !anonymous.Granted(byToken, choose(t, "any.>")) || !anonymous.Granted(everybody, choose(t, ">")) || before.Granted(everybody, choose(t, "users.alice.x")) {
		t.Error("to and from anonymous readers")
	}
}
