package event_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/event"
)

// TestErrorsOfJSONAreForWhoWroteIt decodes JSON of every kind in the place of every other.
func TestErrorsOfJSONAreForWhoWroteIt(t *testing.T) {
	type value struct {
		Text   string             `json:"text"`
		Texts  []string           `json:"texts"`
		Whole  int                `json:"whole"`
		Real   float64            `json:"real"`
		Flag   *bool              `json:"flag"`
		Map    map[string]float64 `json:"map"`
		Inside struct {
			Text string `json:"text"`
		} `json:"inside"`
	}
	for text, want := range map[string]string{
		`[]`:                        "array stands where an object is expected",
		`7`:                         "number stands where an object is expected",
		`{"text":7}`:                "text: number stands where a string is expected",
		`{"texts":"a"}`:             "texts: string stands where a list is expected",
		`{"texts":["a",7]}`:         "texts: number stands where a string is expected",
		`{"whole":true}`:            "whole: bool stands where a whole number is expected",
		`{"whole":1.5}`:             "whole: number 1.5 stands where a whole number is expected",
		`{"real":"1"}`:              "real: string stands where a number is expected",
		`{"flag":"yes"}`:            "flag: string stands where true or false is expected",
		`{"map":[]}`:                "map: array stands where an object is expected",
		`{"inside":{"text":{}}}`:    "inside.text: object stands where a string is expected",
		`{"tekst":7}`:               `unknown field "tekst"`,
		``:                          "it is empty",
		`{"text":`:                  "it ends too early",
		`{"text":tru}`:              "it is malformed at byte 12: invalid character '}' in literal true (expecting 'e')",
		`{"whole":` + nines + `}`:   "whole: number 9999",
		`{"` + nines + `":1}`:       `unknown field "9999`,
		`{"` + nines + `\u00e9":1}`: `unknown field "9999`,
	} {
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		err := event.ExplainJSON(d.Decode(&value{}))
		if err == nil || !strings.HasPrefix(err.Error(), want) || len(err.Error()) > 200 {
			t.Errorf("%.60s: %v, want %s", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "Go ") || strings.Contains(err.Error(), "json:")) {
			t.Errorf("%.60s: %v names what is Go's", text, err)
		}
	}
	if err := event.ExplainJSON(json.Unmarshal(nil, &value{})); err == nil || err.Error() != "it is empty" {
		t.Errorf("%v", err)
	}
	if other := errors.New("other"); event.ExplainJSON(other) != other || event.ExplainJSON(nil) != nil {
		t.Error("another error is changed")
	}
}

var nines = strings.Repeat("9", 1<<20)
