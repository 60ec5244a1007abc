package hub

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// The examples are those of the parser of application/x-www-form-urlencoded (WHATWG URL, section 5.1).
func TestFormPairs(t *testing.T) {
	for text, want := range map[string][][2]string{
		"":                    nil,
		"&&":                  nil,
		"a":                   {{"a", ""}},
		"a=":                  {{"a", ""}},
		"=a":                  {{"", "a"}},
		"=":                   {{"", ""}},
		"a=b=c":               {{"a", "b=c"}},
		"a=1&a=2&b=3&a=4":     {{"a", "1"}, {"a", "2"}, {"b", "3"}, {"a", "4"}},
		"a;b=c;d":             {{"a;b", "c;d"}},
		"a+b=c+d":             {{"a b", "c d"}},
		"a%2Bb=%3d%26":        {{"a+b", "=&"}},
		"%=%&%a=%zz&x=%1&%":   {{"%", "%"}, {"%a", "%zz"}, {"x", "%1"}, {"%", ""}},
		"x=%%41&y=%4%31":      {{"x", "%A"}, {"y", "%41"}},
		"x=%fF%C3%A9é<>\"{}#": {{"x", "\xff\u00e9é<>\"{}#"}},
	} {
		var got [][2]string
		for name, value := range formPairs(text) {
			got = append(got, [2]string{name, value})
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// FuzzForm holds that all that url.ParseQuery reads is read alike, and that what is written as a form is read again.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{"topic=a&topic=b.*", "a=b+c%20d&%3D=&=", "a;b", "%&%zz=%4", "a=%c3%a9é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := formValues(text)
		if want, err := url.ParseQuery(text); err == nil && fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
		if again := formValues(got.Encode()); !maps.EqualFunc(again, got, slices.Equal) {
			t.Errorf("%q: %v comes again as %v", text, got, again)
		}
	})
}

func TestParametersThatAreIgnoredAreBounded(t *testing.T) {
	p := &parameters{}
	for name, value := range formPairs("topic=a&x=1&x=2&%0a=&" + strings.Repeat("é", 200) + "&%ff=3&=4&" + strings.Repeat("n1&n2&n3&n4&n5&n6&n7&n8&n9&n10&n11&n12&n13&", 100)) {
		p.add(name, value)
	}
	want := []string{"x", "\n", strings.Repeat("é", 32) + "…", "\ufffd", "", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9", "n10", "n11"}
	if !slices.Equal(p.ignored, want) || len(p.values) != 1 {
		t.Errorf("%q, %v", p.ignored, p.values)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]string{
		"30s": "30s", "1h30m": "1h30m0s", "500ms": "500ms", "1.5h": "1h30m0s", "90": "1m30s", "0": "0s", "0s": "0s", "4294967295": "1193046h28m15s",
		"": "", "-1s": "", "-5": "", "+5": "", "5 s": "", "1m30": "", "soon": "", "1.5": "", "4294967296": "", "99999999999999999999": "", "9999999999h": "", "s": "",
	} {
		got, ok := parseDuration(text)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%q: %v, %t, want %q", text, got, ok, want)
		}
	}
}
