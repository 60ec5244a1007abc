package cloudevent_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/runnel-dev/runnel/hub/cloudevent"
)

// FuzzReadBody holds that whatever is taken is a CloudEvent: its attributes are a JSON object with those that are required, and
// sent again in structured mode it is the same event.
func FuzzReadBody(f *testing.F) {
	f.Add(cloudevent.TypeStructured, "", "", []byte(`{"specversion":"1.0","id":"1","source":"/shop","type":"made","n":1,"data":{"a":[1]}}`))
	f.Add(cloudevent.TypeStructured, "", "", []byte(`{"specversion":"1.0","id":"1","source":"/shop","type":"made","datacontenttype":"image/png","data_base64":"/wA="}`))
	f.Add(cloudevent.TypeBatch, "", "", []byte(`[{"specversion":"1.0","id":"1","source":"/shop","type":"made","data":"x"}]`))
	f.Add("text/plain", `"a%20b"`, "x", []byte("a\r\nb"))
	f.Add("image/png", "1", "subject", []byte{0xff})
	f.Add("", "%E2%82%AC", "partitionkey", []byte(nil))
	f.Add(cloudevent.TypeStructured, "", "", []byte("\ufeff"+`{"specversion":"1.0","id":"1","source":"/a%20b","type":"\ud83d\ude00"}`))
	f.Add(cloudevent.TypeStructured, "", "", []byte(`{"specversion":"1.0","id":"1","source":"/","type":"\ud83d"}`))
	f.Fuzz(func(t *testing.T, contentType, id, extension string, body []byte) {
		header := http.Header{"Content-Type": {contentType}, "Ce-Specversion": {"1.0"}, "Ce-Id": {id}, "Ce-Source": {"/s"}, "Ce-Type": {"t"}}
		header.Set("ce-"+extension, id)
		events, err := cloudevent.ReadBody(header, body)
		if err != nil {
			return // refused
		}
		for _, e := range events {
			again := structured(t, e)
			if again.ID != e.ID || again.Source != e.Source || again.Type != e.Type || again.Binary != e.Binary || again.NoData != e.NoData || !bytes.Equal(again.Attributes, e.Attributes) || !bytes.Equal(again.Data, e.Data) {
				t.Fatalf("%+v became %+v", e, again)
			}
		}
	})
}

// structured sends an event again.
func structured(t *testing.T, e *cloudevent.Event) *cloudevent.Event {
	t.Helper()
	if e.ID == "" || e.Source == "" || e.Type == "" || !e.Binary && !utf8.Valid(e.Data) || e.NoData && (e.Binary || len(e.Data) > 0) || strings.Contains(e.Source, " ") {
		t.Fatalf("taken: %+v", e)
	}
	text := append([]byte{'{'}, e.Attributes...)
	if !e.NoData {
		text = append(text, `,"data_base64":"`+base64.StdEncoding.EncodeToString(e.Data)+`"`...)
	}
	text = append(text, '}')
	if !json.Valid(text) {
		t.Fatalf("attributes %s", e.Attributes)
	}
	out, err := cloudevent.ReadBody(http.Header{"Content-Type": {cloudevent.TypeStructured}}, text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out[0]
}
