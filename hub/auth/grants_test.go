package auth

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
)

func granted(t testing.TB, i config.TokenIssuer, claims string) (out []string) {
	t.Helper()
	rules, err := newGrantRules(i)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal([]byte(claims), &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range rules.grants(all) {
		out = append(out, s.String())
	}
	return out
}

func TestTemplatesAreFilledWithOneToken(t *testing.T) {
	long, _ := json.Marshal(map[string]string{"sub": strings.Repeat("x", event.MaxTopicBytes)})
	for name, c := range map[string]struct{ template, claims, want string }{
		"plain":           {"users.{sub}.>", `{"sub":"alice"}`, "users.alice.>"},
		"no claim":        {"public.*", `{}`, "public.*"},
		"wildcard":        {"users.{sub}.x", `{"sub":">"}`, "users.~3E.x"},
		"star":            {"users.{sub}", `{"sub":"*"}`, "users.~2A"},
		"dots":            {"users.{sub}", `{"sub":"a.b"}`, "users.a~2Eb"},
		"tilde":           {"users.{sub}", `{"sub":"~3E"}`, "users.~7E3E"},
		"space and slash": {"users.{sub}", `{"sub":"a b/c"}`, "users.a~20b~2Fc"},
		"other scripts":   {"users.{sub}", `{"sub":"é"}`, "users.~C3~A9"},
		"zero byte":       {"users.{sub}", `{"sub":"a\u0000"}`, "users.a~00"},
		"all of one":      {"{sub}", `{"sub":"Az09_-"}`, "Az09_-"},
		"two claims":      {"{org}.{sub}", `{"sub":"a","org":"b"}`, "b.a"},
		"nested":          {"t.{realm.tenant}", `{"realm":{"tenant":"x"}}`, "t.x"},
		"literal first":   {"t.{realm.tenant}", `{"realm":{"tenant":"x"},"realm.tenant":"y"}`, "t.y"},
		"literal is bad":  {"t.{realm.tenant}", `{"realm":{"tenant":"x"},"realm.tenant":7}`, ""},
		"URL":             {"t.{https://id.example/org}", `{"https://id.example/org":"x"}`, "t.x"},
		"deep":            {"t.{a.b.c}", `{"a":{"b":{"c":"x"}}}`, "t.x"},
		"half literal":    {"t.{a.b.c}", `{"a":{"b.c":"x"}}`, "t.x"},
		"absent":          {"users.{sub}", `{}`, ""},
		"one absent":      {"{org}.{sub}", `{"sub":"a"}`, ""},
		"empty":           {"users.{sub}", `{"sub":""}`, ""},
		"number":          {"users.{sub}", `{"sub":7}`, ""},
		"list":            {"users.{sub}", `{"sub":["a"]}`, ""},
		"object":          {"users.{sub}", `{"sub":{"a":"b"}}`, ""},
		"null":            {"users.{sub}", `{"sub":null}`, ""},
		"no text":         {"users.{sub}", `{"sub":"\ud800"}`, ""},
		"too long":        {"{sub}", string(long), strings.Repeat("x", event.MaxTopicBytes)},
		"longer":          {"u.{sub}", string(long), ""},
		"other case":      {"users.{sub}", `{"SUB":"alice"}`, ""},
	} {
		if got := strings.Join(granted(t, config.TokenIssuer{Topics: []string{c.template}}, c.claims), " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAClaimListsTopics(t *testing.T) {
	many, _ := json.Marshal(map[string]any{"topics": slices.Repeat([]string{"a"}, 2*maxClaimTopics)})
	for name, c := range map[string]struct {
		claims string
		want   []string
	}{
		"list":      {`{"topics":["orders","prices.*","runs.>"]}`, []string{"orders", "prices.*", "runs.>"}},
		"one":       {`{"topics":"orders"}`, []string{"orders"}},
		"malformed": {`{"topics":["a..b","{sub}","",7,null,["x"],"orders"]}`, []string{"orders"}},
		"absent":    {`{}`, nil},
		"number":    {`{"topics":7}`, nil},
		"object":    {`{"topics":{"a":"b"}}`, nil},
		"many":      {string(many), slices.Repeat([]string{"a"}, maxClaimTopics)},
	} {
		if got := granted(t, config.TokenIssuer{TopicsClaim: "topics"}, c.claims); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got := granted(t, config.TokenIssuer{TopicsClaim: "runnel.topics"}, `{"runnel":{"topics":["a"]}}`); !slices.Equal(got, []string{"a"}) {
		t.Errorf("nested: %q", got)
	}
}

func TestGrantsAreNotAddedUp(t *testing.T) {
	r := Reader{grants: choose(t, "a.b", "a.*.>", "c.*")}
	for topic, want := range map[string]bool{"a.b": true, "a.>": false, "a.b.c": true, "c.>": false, "c.d": true, "c": false, ">": false} {
		if got := reads(t, &r, topic); got != want {
			t.Errorf("%s: %v", topic, got)
		}
	}
}

// FuzzFill fills a template with any claim: it never becomes other than one literal token, and two claims never the same one.
func FuzzFill(f *testing.F) {
	for _, c := range [][2]string{{"alice", "bob"}, {">", "~3E"}, {"a.b", "a~2Eb"}, {"*", ""}, {"\xff", "\xfe"}, {"é", "É"}} {
		f.Add(c[0], c[1])
	}
	t, err := config.ParseTemplate("users.{sub}.>")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(tt *testing.T, one, other string) {
		a, flaw := fill(t, map[string]any{"sub": one})
		if flaw != "" {
			if one != "" && len(one) < 60 && utf8.ValidString(one) && !strings.ContainsRune(one, '\uFFFD') {
				tt.Fatalf("%q grants nothing", one)
			}
			return
		}
		tokens := a.Tokens()
		if len(tokens) != 3 || tokens[0] != "users" || tokens[2] != event.ManyTokens || !selectsOne(tokens[1]) {
			tt.Fatalf("%q becomes %s", one, a)
		}
		if b, flaw := fill(t, map[string]any{"sub": other}); flaw == "" && (a.String() == b.String()) != (one == other) {
			tt.Fatalf("%q and %q become %s and %s", one, other, a, b)
		}
	})
}

func selectsOne(token string) bool {
	s, err := event.ParseSelector(token)
	return err == nil && s.Exact() && len(s.Tokens()) == 1
}
