package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/runnel-dev/runnel/hub/config"
)

// TestARefusedSubscriberLearnsWhatItsTokenGrants goes by tokens that lack what their issuer's rules need.
func TestARefusedSubscriberLearnsWhatItsTokenGrants(t *testing.T) {
	c := newClock()
	many := make([]string, 12)
	for i := range many {
		many[i] = fmt.Sprintf("t%d", i)
	}
	of := func(i config.TokenIssuer) config.TokenIssuer {
		i.Audiences, i.HMAC = []string{forReader}, hmacOf
		return i
	}
	s := subscribers(t, c, config.JWT{Issuers: []config.TokenIssuer{
		of(config.TokenIssuer{Issuer: "templates", Topics: []string{"orders", "users.{sub}.>", "teams.{org.id}.news"}}),
		of(config.TokenIssuer{Issuer: "many", Topics: append(many, "{org}.x")}),
		of(config.TokenIssuer{Issuer: "one claim", Topics: []string{"teams.{org}"}}),
		of(config.TokenIssuer{Issuer: "claim", TopicsClaim: "runnel.topics"}),
	}}, content{hmacOf.String(): secret})
	lists := func(topics any) map[string]any {
		return map[string]any{"iss": "claim", "runnel": map[string]any{"topics": topics}}
	}
	for name, c := range map[string]struct {
		claims       map[string]any
		asks         string
		want, wantNo string
	}{
		"expanded": {map[string]any{"iss": "templates", "sub": "a@b", "org": map[string]any{"id": "7"}}, "last",
			"your token may read orders, users.a~40b.>, teams.7.news", ";"},
		"a claim is missing": {map[string]any{"iss": "templates"}, "last",
			"your token may read orders, users.alice.>; nothing is granted by teams.{org.id}.news (its claim org.id is missing)", ""},
		"a claim is null":       {map[string]any{"iss": "one claim", "org": json.RawMessage("null")}, "x", "your token may read nothing; nothing is granted by teams.{org} (its claim org is missing)", ""},
		"a claim is a number":   {map[string]any{"iss": "one claim", "org": 7}, "x", "teams.{org} (its claim org is no text)", ""},
		"a claim is empty":      {map[string]any{"iss": "one claim", "org": ""}, "x", "teams.{org} (its claim org is empty)", ""},
		"a claim is long":       {map[string]any{"iss": "one claim", "org": strings.Repeat("x", 255)}, "x", "teams.{org} (it is longer than a topic may be with its claims)", ""},
		"a pattern":             {map[string]any{"iss": "templates"}, "users.*", "; a pattern needs one grant for all that it stands for", ""},
		"many":                  {map[string]any{"iss": "many", "org": "x"}, "last", "your token may read t0, t1, t2, t3, t4, t5, t6, t7 and 5 more", "t8"},
		"a list":                {lists([]string{"orders", "prices.*"}), "last", "your token may read orders, prices.*: ask its issuer for one whose claim runnel.topics lists it", ""},
		"no list":               {map[string]any{"iss": "claim"}, "last", "your token may read nothing, since its claim runnel.topics is missing: ask its issuer", ""},
		"a number for a list":   {lists(7), "last", "your token may read nothing, since its claim runnel.topics is no list of topics", ""},
		"a topic for a list":    {lists("orders"), "last", "your token may read orders: ask", ""},
		"an entry is malformed": {lists([]any{"orders", "a@b"}), "last", "your token may read orders; entry 1 of its claim runnel.topics is no topic or pattern", ""},
		"an entry is a number":  {lists([]any{7}), "last", "your token may read nothing; entry 0 of its claim", ""},
		"a long list":           {lists(append(many, make([]string, 64)...)), "last", "its claim runnel.topics lists more topics than the 64 that count", ""},
	} {
		t.Run(name, func(t *testing.T) {
			claims := says(newClock().Now(), nil)
			maps.Copy(claims, c.claims)
			who, err := s.Authenticate(context.Background(), Credentials{Authorization: "Bearer " + sign(t, jose.HS256, []byte(secret), "", claims)})
			if err != nil {
				t.Fatal(err)
			}
			got := who.Advice(choose(t, c.asks)[0])
			if !strings.Contains(got, c.want) || c.wantNo != "" && strings.Contains(got, c.wantNo) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestAdviceIsShort(t *testing.T) {
	long := make([]string, 64)
	for i := range long {
		long[i] = fmt.Sprintf("%0250d", i)
	}
	r := Reader{grants: choose(t, long...)}
	if got := r.Advice(choose(t, "orders")[0]); len(got) > 3<<10 {
		t.Errorf("%d bytes", len(got))
	}
	p := Publisher{topics: choose(t, long...)}
	if got := p.Advice(); len(got) > 3<<10 {
		t.Errorf("%d bytes", len(got))
	}
}
