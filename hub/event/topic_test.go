package event_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/event"
)

func selector(t testing.TB, s string) event.Selector {
	t.Helper()
	sel, err := event.ParseSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return sel
}

func TestParseSelector(t *testing.T) {
	for _, good := range []string{"a", "a.b", "A-Z_~0.9", "*", ">", "a.*.c", "a.>", strings.Repeat("a", 255), strings.Repeat("a.", 15) + "a"} {
		if _, err := event.ParseSelector(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "a.", ".a", "a..b", "a b", "a/b", "é", "a.>.b", "a*", "*a", ">>", strings.Repeat("a", 256), strings.Repeat("a.", 16) + "a"} {
		if _, err := event.ParseSelector(bad); err == nil || !strings.Contains(err.Error(), "write") {
			t.Errorf("%q: %v", bad, err)
		}
		if err := event.ValidateTopic(bad); err == nil || !strings.Contains(err.Error(), "write") {
			t.Errorf("topic %q: %v", bad, err)
		}
	}
	if event.ValidateTopic("a.*") == nil || event.ValidateTopic("a.b") != nil {
		t.Error("a topic is a selector without wildcards")
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		selector, topic string
		want            bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a", "a.b", false}, {"a.b", "a", false},
		{"*", "a", true}, {"*", "a.b", false}, {"a.*", "a.b", true}, {"a.*", "a", false}, {"a.*", "a.b.c", false}, {"*.b", "a.b", true},
		{">", "a", true}, {">", "a.b.c", true}, {"a.>", "a", false}, {"a.>", "a.b", true}, {"a.>", "a.b.c", true}, {"a.>", "b.b", false},
		{"a.*.c", "a.b.c", true}, {"a.*.c", "a.b.d", false}, {"a.*.>", "a.b.c.d", true}, {"a.*.>", "a.b", false},
	} {
		if got := selector(t, c.selector).Match(c.topic); got != c.want {
			t.Errorf("%s matches %s: %v", c.selector, c.topic, got)
		}
	}
}

func TestOverlaps(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a.*", "*.b", true}, {"a.*", "b.*", false}, {"a.>", "a", false}, {">", "a", true},
		{"a.>", "a.*.c", true}, {"a.*", "a.b.>", false}, {"a.>", "*.>", true}, {"a", "a.*", false},
	} {
		if selector(t, c.a).Overlaps(selector(t, c.b)) != c.want || selector(t, c.b).Overlaps(selector(t, c.a)) != c.want {
			t.Errorf("%s overlaps %s: want %v", c.a, c.b, c.want)
		}
	}
}

func FuzzSelector(f *testing.F) {
	f.Add("a.*.>", "a.b.c", "*.b.>")
	f.Fuzz(func(t *testing.T, a, topic, b string) {
		s, err := event.ParseSelector(a)
		if isTopic := event.ValidateTopic(a) == nil; isTopic != (err == nil && s.Exact()) {
			t.Fatalf("%q is a topic: %v", a, isTopic)
		}
		o, err2 := event.ParseSelector(b)
		if err != nil || err2 != nil || event.ValidateTopic(topic) != nil {
			return // malformed
		}
		if s.Match(topic) && o.Match(topic) && !s.Overlaps(o) {
			t.Fatalf("%s and %s both match %s and do not overlap", a, b, topic)
		}
		if s.Exact() && s.Match(topic) != (a == topic) {
			t.Fatalf("%s matches %s", a, topic)
		}
		if got := matchByTokens(strings.Split(a, "."), strings.Split(topic, ".")); got != s.Match(topic) {
			t.Fatalf("%s matches %s: brute force says %v", a, topic, got)
		}
	})
}

func matchByTokens(sel, topic []string) bool {
	switch {
	case len(sel) == 0 || len(topic) == 0:
		return len(sel) == len(topic)
	case sel[0] == ">":
		return true
	}
	return (sel[0] == "*" || sel[0] == topic[0]) && matchByTokens(sel[1:], topic[1:])
}

func TestPrecedence(t *testing.T) {
	want := []string{"a.b", "a.b.>", "*.b", "a.*", "a.>", "*", "*.>", ">"}
	var sels []event.Selector
	for _, s := range want {
		sels = append(sels, selector(t, s))
	}
	slices.Reverse(sels)
	slices.SortFunc(sels, event.Selector.Compare)
	for i, s := range sels {
		if s.String() != want[i] {
			t.Fatalf("order %v, want %v", sels, want)
		}
	}
}

// TestAMalformedTopicIsToldWhatToWrite has programs put values into topics as they are.
func TestAMalformedTopicIsToldWhatToWrite(t *testing.T) {
	const example = "alice@shop.example is alice~40shop~2Eexample"
	for topic, want := range map[string][]string{
		"users.alice@shop.example": {`write ~40 for "@"`, example},
		"hosts.fe80::1":            {`write ~3A for ":"`, example},
		"hosts.10.0.0.0/8":         {`write ~2F for "/"`},
		"streets.Am Markt.1":       {`write ~20 for " "`},
		"users.zoë":                {`write ~C3~AB for "ë"`},
		"users.\xff":               {`write ~FF for "\xff"`},
		"a\n":                      {`write ~0A for "\n"`},
		"a%40b":                    {`write ~25 for "%"`},
		"users.{sub}.x":            {"write the value of a claim in place of its name in braces"},
		"a..b":                     {"write tokens of A-Z", "a last '>' for one or more"},
		"a*":                       {"'*' stands for one whole token"},
		">.a":                      {"a last '>' for one or more"},
	} {
		_, err := event.ParseSelector(topic)
		for _, text := range want {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%q: %v, want %q", topic, err, text)
			}
		}
		if other := event.ValidateTopic(topic); other == nil || err == nil || other.Error() != err.Error() {
			t.Errorf("%q: %v for publishers, %v for subscribers", topic, other, err)
		}
	}
	if got := event.EscapeToken("alice@shop.example"); got != "alice~40shop~2Eexample" {
		t.Error(got)
	}
}
