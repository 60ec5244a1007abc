package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
)

func TestParseTemplate(t *testing.T) {
	text := func(s string) config.TemplateToken { return config.TemplateToken{Text: s} }
	claim := func(s string) config.TemplateToken { return config.TemplateToken{Claim: s} }
	for template, want := range map[string][]config.TemplateToken{
		"orders":                     {text("orders")},
		"public.>":                   {text("public"), text(">")},
		"users.{sub}.>":              {text("users"), claim("sub"), text(">")},
		"{sub}":                      {claim("sub")},
		"{a}.{a}":                    {claim("a"), claim("a")},
		"{realm.tenant}.*":           {claim("realm.tenant"), text("*")},
		"t.{https://id.example/org}": {text("t"), claim("https://id.example/org")},
		"{" + strings.Repeat("c", config.MaxClaimBytes) + "}.a": {claim(strings.Repeat("c", config.MaxClaimBytes)), text("a")},
	} {
		got, err := config.ParseTemplate(template)
		if err != nil || !slices.Equal(got.Tokens(), want) || got.String() != template || got.Claims() != strings.Contains(template, "{") {
			t.Errorf("%s: %+v, %v", template, got, err)
		}
	}
}

func TestTemplateRefusals(t *testing.T) {
	for template, want := range map[string]string{
		"":                                 "malformed",
		"a..b":                             `topic "a..b" is malformed`,
		"a..{sub}":                         `template "a..{sub}", filled in: topic "a..value"`,
		"a.{sub}.":                         "filled in",
		">.{sub}":                          "filled in",
		"u-{sub}":                          "text and a claim",
		"{sub}x":                           "no whole token",
		"{a}{b}":                           "no whole token",
		"{sub":                             "no whole token",
		"sub}":                             "text and a claim",
		"a.}{.b":                           "text and a claim",
		"{}":                               `claim "" is malformed`,
		"{a..b}":                           `claim "a..b" is malformed`,
		"{.a}":                             "is malformed",
		"{{a}}":                            "no whole token",
		"{a b}":                            "is malformed",
		"{*}":                              "is malformed",
		"{é}":                              "is malformed",
		strings.Repeat("a.", 16) + "{sub}": "17 tokens",
		"{" + strings.Repeat("c", config.MaxClaimBytes+1) + "}": "claim of 65 bytes: write at most 64",
		strings.Repeat("a", event.MaxTopicBytes) + ".{sub}":     "at most 255",
		"{" + strings.Repeat("c", 1<<20) + "}":                  "template of 1048578 bytes",
	} {
		if got, err := config.ParseTemplate(template); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "write") {
			t.Errorf("%.40q: %+v, %v, want %q", template, got, err, want)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"users.{sub}.>", "{a.b}", "a.*", "{a}{b}", "x{"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		template, err := config.ParseTemplate(s)
		if err != nil {
			return // refused
		}
		var again, sample []string
		for _, token := range template.Tokens() {
			if (token.Claim == "") == (token.Text == "") {
				t.Fatalf("%q: a token is neither or both: %+v", s, token)
			}
			if token.Claim != "" {
				again, sample = append(again, "{"+token.Claim+"}"), append(sample, "x")
				continue
			}
			again, sample = append(again, token.Text), append(sample, token.Text)
		}
		if got := strings.Join(again, "."); got != s {
			t.Fatalf("%q is read as %q", s, got)
		}
		if _, err := event.ParseSelector(strings.Join(sample, ".")); err != nil {
			t.Fatalf("%q, filled in: %v", s, err)
		}
	})
}
