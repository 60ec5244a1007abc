package hub

import (
	"bytes"
	"testing"

	"github.com/runnel-dev/runnel/hub/event"
)

// commonDocuments are in the form that a scanner takes.
var commonDocuments = []string{
	`{"topic":"a","data":"x"}`,
	` { "topic" : "a" , "data" : "x" } ` + "\r",
	`{"data":"","key":"k","ttl":"5","id":"1","type":"t","topic":"a.b"}`,
	`{"topic":"a","data":"{\"n\":1}\n\r\t\b\f\/\\é"}`,
	`{"topic":"a","ttl":"1h30m","data":{"x":[1,-0.5e+3,"\u00e9\n",{}],"y":{"z":null},"":[]}}`,
	`{"topic":"a","data": { "x" : [ 1 , true , false ] } }`,
	`{"topic":"a","data":12}`,
	`{"topic":"a","data":null}`,
	`{"data":[[[]]]}`,
}

// otherDocuments are right, wrong or too large, and left to decodeDocument.
var otherDocuments = []string{
	``, `null`, `{}`, `{"topic":"a"}`, `{"topic":"a","data":1}{}`, `{"topic":"a","data":1} x`, `{"topic":"a","data":1,}`, `{,"data":1}`,
	`{"Topic":"a","data":1}`, `{"topic":"a","topic":"b","data":1}`, `{"topic":"a","data":1,"data":2}`, `{"topic":null,"data":1}`, `{"topic":1,"data":1}`,
	`{"topics":["a","b"],"data":1}`, `{"topic":"a","dataBase64":"eA=="}`, `{"topic":"\u0061","data":1}`, `{"topic":"a","data":"\ud83d\ude00"}`,
	`{"topic":"a","data":"\x"}`, "{\"topic\":\"a\",\"data\":\"\t\"}", "{\"topic\":\"a\",\"data\":[\"\n\"]}", "{\"topic\":\"a\",\"data\":\"\xff\"}", `{"topic":"a","data":"x`,
	`{"topic":"a","data":01}`, `{"topic":"a","data":1.}`, `{"topic":"a","data":-}`, `{"topic":"a","data":1e}`, `{"topic":"a","data":tru}`, `{"topic":"a","data":[1 2]}`,
	`{"topic":"a","data":["\u00g0"]}`, `{"topic":"a","data":["\`, `{"topic":"a","data":{"x":1,}}`, `{"topic":"a","data":{"x" 1}}`, `{"topic":"a","data":{x:1}}`,
	`{"topic":"a","data":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}`, `{"topic":"a","ttl":"soon","data":1}`, `{"topic":"a","dta":1,"data":1}`,
	`{"topic":"a","data":"` + `0123456789012345678901234567890123456789012345678901234567890123456789` + `"}`,
}

// scanLimit is of data, in bytes.
const scanLimit = 64

func TestScannerTakesTheCommonForm(t *testing.T) {
	s := &scanner{}
	for _, text := range commonDocuments {
		if !s.event([]byte(text), scanLimit, &event.Event{}) {
			t.Errorf("%s is left alone", text)
		}
		sameAsDecoded(t, s, []byte(text))
	}
	for _, text := range otherDocuments {
		if s.event([]byte(text), scanLimit, &event.Event{}) {
			t.Errorf("%s is taken", text)
		}
	}
}

// FuzzScanner holds that what a scanner takes is taken by encoding/json too, and is the same event.
func FuzzScanner(f *testing.F) {
	for _, text := range append(commonDocuments, otherDocuments...) {
		f.Add([]byte(text))
	}
	s := &scanner{} // one for all, as a batch has it
	f.Fuzz(func(t *testing.T, text []byte) { sameAsDecoded(t, s, text) })
}

func sameAsDecoded(t *testing.T, s *scanner, text []byte) {
	t.Helper()
	before := bytes.Clone(text)
	var got event.Event
	taken := s.event(text, scanLimit, &got)
	if !bytes.Equal(text, before) {
		t.Fatalf("%q was changed to %q", before, text)
	}
	if !taken {
		return
	}
	events, several, bad := decodeDocument(text, scanLimit)
	if bad != nil || several || len(events) != 1 {
		t.Fatalf("%q: %+v, %v, %d events", text, bad, several, len(events))
	}
	want := events[0]
	if got.Topic != want.Topic || got.Type != want.Type || got.ID != want.ID || got.Key != want.Key || got.TTL != want.TTL ||
		!bytes.Equal(got.Data, want.Data) || got.Base64 || want.Base64 || got.Last || got.Attributes != nil {
		t.Fatalf("%q: %+v, want %+v", text, got, *want)
	}
}
