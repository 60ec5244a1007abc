package event_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/runnel-dev/runnel/hub/event"
)

func TestCheckSurrogates(t *testing.T) {
	for text, want := range map[string]string{
		``:                             "",
		`"a\\ud800b"`:                  "", // an escaped backslash
		`"\\\ud800"`:                   `\ud800`,
		`"\ud83d\ude00 \uD83D\uDE00"`:  "",
		`"\ufffd\uFFFF\ue000\ud7ff"`:   "",
		`"\ud83d"`:                     `\ud83d`,
		`"\uD83Dx\ude00"`:              `\uD83D`,
		`"\ude00\ud83d"`:               `\ude00`,
		`"\ud83d\ud83d\ude00"`:         `\ud83d`,
		`"\ud83d\n"`:                   `\ud83d`,
		`{"a":[1,{"\udfff":"\ud800"}]`: `\udfff`,
		`"\ud83d\u`:                    `\ud83d`,
		`"\`:                           "",
		`"\u12`:                        "",
		`"\u+123"`:                     "",
	} {
		if err := event.CheckSurrogates([]byte(text)); (err != nil) != (want != "") || err != nil && !strings.HasPrefix(err.Error(), want+" is half of a character") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// FuzzCheckSurrogates holds that encoding/json puts other characters in place of those that are found, and of no others.
func FuzzCheckSurrogates(f *testing.F) {
	f.Add(`"a\\ud800b\ud83d\ude00"`)
	f.Add(`"\ud83d"`)
	f.Fuzz(func(t *testing.T, text string) {
		var got string
		if !utf8.ValidString(text) || json.Unmarshal([]byte(text), &got) != nil {
			return
		}
		replaced := 0 // characters that are in the result and neither in the text nor an escape of it
		for _, r := range got {
			if r == utf8.RuneError {
				replaced++
			}
		}
		for i := 0; i < len(text); i++ {
			switch {
			case text[i] == '\\' && text[i+1] == 'u' && strings.EqualFold(text[i+2:i+6], "fffd"):
				replaced--
				i += 5
			case text[i] == '\\':
				i++
			case len(text) > i+2 && text[i:i+3] == "\ufffd":
				replaced--
			}
		}
		if err := event.CheckSurrogates([]byte(text)); (err != nil) != (replaced > 0) {
			t.Fatalf("%s: %v, and %d characters were put in place of others", text, err, replaced)
		}
	})
}

func TestTrimBOM(t *testing.T) {
	for text, want := range map[string]string{"": "", "\ufeff{}": "{}", "{}": "{}", " \ufeff{}": " \ufeff{}", "\xef\xbb{}": "\xef\xbb{}"} {
		if got := event.TrimBOM([]byte(text)); string(got) != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
