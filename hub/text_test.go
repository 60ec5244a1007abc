package hub_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// halves are JSON escapes of which some are half of a character.
var halves = []string{`\ud83d`, `\uDE00`, `\ude00\ud83d`, `a\ud83d\n`, `\ud83d\ud83d\ude00`, `\\\udead`}

// documentForms are JSON forms to publish, each with %s where a string of one event is.
var documentForms = map[string]struct{ path, contentType, body string }{
	"data":              {"/v1/publish", jsonType, `{"topic":"orders","data":"%s"}`},
	"data, a value":     {"/v1/publish", jsonType, `{"topic":"orders","data":{"a":["%s"]}}`},
	"data, a name":      {"/v1/publish", jsonType, `{"topic":"orders","data":{"%s":1}}`},
	"topic":             {"/v1/publish", jsonType, `{"topic":"orders%s","data":1}`},
	"one of the topics": {"/v1/publish", jsonType, `{"topics":["orders","last%s"],"data":1}`},
	"type":              {"/v1/publish", jsonType, `{"topic":"orders","type":"%s","data":1}`},
	"id":                {"/v1/publish", jsonType, `{"topic":"orders","id":"%s","data":1}`},
	"key":               {"/v1/publish", jsonType, `{"topic":"orders","key":"%s","data":1}`},
	"ttl":               {"/v1/publish", jsonType, `{"topic":"orders","ttl":"5%s","data":1}`},
	"base64":            {"/v1/publish", jsonType, `{"topic":"orders","dataBase64":"eA==%s"}`},
	"a member":          {"/v1/publish", jsonType, `{"topic":"orders","data":1,"%s":1}`},
	"a line":            {"/v1/publish", linesType, `{"topic":"orders","data":{"%s":1}}` + "\n"},
	"a line's type":     {"/v1/publish", linesType, `{"topic":"orders","data":1,"type":"%s"}` + "\n"},
	"structured":        {"/v1/cloudevents/orders", structured, `{"specversion":"1.0","id":"1","source":"/","type":"t","data":["%s"]}`},
	"structured, text":  {"/v1/cloudevents/orders", structured, `{"specversion":"1.0","id":"1","source":"/","type":"t","datacontenttype":"text/plain","data":"%s"}`},
	"an attribute":      {"/v1/cloudevents/orders", structured, `{"specversion":"1.0","id":"1%s","source":"/","type":"t"}`},
	"an extension":      {"/v1/cloudevents/orders", structured, `{"specversion":"1.0","id":"1","source":"/","type":"t","mine":"%s"}`},
	"a CloudEvent's":    {"/v1/cloudevents/orders", structured, `{"specversion":"1.0","id":"1","source":"/","type":"t","%s":"x"}`},
	"batched":           {"/v1/cloudevents/orders", batched, `[{"specversion":"1.0","id":"1","source":"/","type":"t"},{"specversion":"1.0","id":"2","source":"/","type":"t","data":{"%s":1}}]`},
}

func TestHalfCharactersAreRefused(t *testing.T) {
	s := start(t, nil)
	for name, form := range documentForms {
		for _, half := range halves {
			resp, body := do(t, "POST", "http://"+s.Addrs().Publish+form.path, strings.Replace(form.body, "%s", half, 1), "Content-Type", form.contentType)
			var p, of struct {
				Status int
				Detail string
			}
			err := json.Unmarshal([]byte(body), &p)
			if form.contentType == linesType {
				line := struct{ Error any }{&of}
				err = json.Unmarshal([]byte(body), &line)
				resp.StatusCode, p = of.Status, of
			}
			if err != nil || resp.StatusCode != 400 || !strings.HasSuffix(p.Detail, "is half of a character: write both halves of its surrogate pair, or the character itself") {
				t.Errorf("%s, %s: %d %s", name, half, resp.StatusCode, body)
			}
		}
	}
	if seq := s.Status().Seq; seq != 0 {
		t.Errorf("%d refused events were stored", seq)
	}
}

func TestWholeCharactersArriveAsTheyWereSent(t *testing.T) {
	s := start(t, nil)
	c := s.read(q("topic", "orders"))
	c.expect("runnel-open", "live")
	for name, p := range map[string]struct{ path, contentType, body, want string }{
		"a pair":          {"/v1/publish", jsonType, `{"topic":"orders","data":"\ud83d\ude00"}`, "😀"},
		"a pair within":   {"/v1/publish", jsonType, `{"topic":"orders","data":{"\uD83D\uDE00":"\ud83d\ude00"}}`, `{"\uD83D\uDE00":"\ud83d\ude00"}`},
		"a replacement":   {"/v1/publish", jsonType, `{"topic":"orders","data":"\ufffd"}`, "\ufffd"},
		"a backslash":     {"/v1/publish", jsonType, `{"topic":"orders","data":["\\ud83d"]}`, `["\\ud83d"]`},
		"raw":             {"/v1/topics/orders", jsonType, `["\ud83d"]`, `["\ud83d"]`}, // which is data whatever it is
		"mark, document":  {"/v1/publish", jsonType, "\ufeff" + `{"topic":"orders","data":1}`, "1"},
		"mark, topics":    {"/v1/publish", jsonType, "\ufeff" + `{"topics":["orders"],"data":2}`, "2"},
		"mark, line":      {"/v1/publish", linesType, "\ufeff" + `{"topic":"orders","data":3}` + "\n", "3"},
		"mark, data":      {"/v1/publish", jsonType, `{"topic":"orders","data":"` + "\ufeff" + `x"}`, "\ufeffx"},
		"mark, raw":       {"/v1/topics/orders", jsonType, "\ufeffx", "\ufeffx"},
		"mark, CE":        {"/v1/cloudevents/orders", structured, "\ufeff" + `{"specversion":"1.0","id":"1","source":"/","type":"message","data":4}`, "4"},
		"mark, CE, batch": {"/v1/cloudevents/orders", batched, "\ufeff" + `[{"specversion":"1.0","id":"2","source":"/","type":"message","data":5}]`, "5"},
	} {
		resp, body := do(t, "POST", "http://"+s.Addrs().Publish+p.path, p.body, "Content-Type", p.contentType)
		if resp.StatusCode >= 300 || strings.Contains(body, "error") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
			continue
		}
		if e, _ := c.next(); e.data != p.want {
			t.Errorf("%s: %q, want %q", name, e.data, p.want)
		}
	}
	lines := "\ufeff\n\ufeff" + `{"topic":"orders","data":6}` + "\r\n" + "\ufeff \n" + `{"topic":"orders","data":7}` + "\n"
	_, body := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/publish", lines, "Content-Type", linesType)
	if strings.Count(body, "\n") != 2 || strings.Contains(body, "error") { // lines of a mark alone do not count
		t.Errorf("lines of several files: %s", body)
	}
	c.expect("", "6")
	c.expect("", "7")
}

// A page shows what it is told, and people read it in a terminal.
func TestJSONIsNotWrittenForHTML(t *testing.T) {
	s := start(t, nil)
	u, sub := "http://"+s.Addrs().Publish, "http://"+s.Addrs().Subscribe
	const told = "<&>"
	for name, r := range map[string]struct{ method, url, body, contentType string }{
		"publish":       {"POST", u + "/v1/topics/orders?%3C%26%3E=1", "x", ""},
		"a document":    {"POST", u + "/v1/publish", `{"topics":["<&>","<&>"],"data":1}`, jsonType},
		"a line":        {"POST", u + "/v1/publish", `{"topics":["<&>","<&>"],"data":1}`, linesType},
		"CloudEvents":   {"POST", u + "/v1/cloudevents/orders", `{"<&>":1}`, structured},
		"subscribe":     {"GET", sub + "/v1/events?topic=orders&replay=%3C%26%3E", "", ""},
		"as JSON lines": {"GET", sub + "/v1/events?topic=orders&replay=%3C%26%3E", "", ""},
	} {
		header := []string{"Content-Type", r.contentType}
		if name == "as JSON lines" {
			header = []string{"Accept", linesType}
		}
		if resp, body := do(t, r.method, r.url, r.body, header...); !strings.Contains(body, told) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	c := s.read(q("topic", "orders", "format", "cloudevents"))
	c.expect("runnel-open", "live")
	resp, body := do(t, "POST", u+"/v1/cloudevents/orders", told, ce("ce-mine", told, "Content-Type", "text/plain")...)
	if resp.StatusCode != http.StatusAccepted {
		t.Fatal(body)
	}
	c.expect("made", `"mine":"<&>","runneltopic":"orders","data":"<&>"`)
}
