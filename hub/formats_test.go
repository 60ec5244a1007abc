package hub_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

// readLines opens a stream of JSON lines and returns what reads the next one.
func readLines(t *testing.T, s *server, query string) (*http.Response, func() map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.url(query), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", linesType)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	return resp, func() map[string]any {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == "" {
				continue
			}
			var line map[string]any
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			return line
		}
		return nil
	}
}

func TestReadersGetJSONLines(t *testing.T) {
	s := start(t, nil)
	s.publish("orders", "lost")
	resp, next := readLines(t, s, q("topic", "orders", "last_event_id", "00000000-1"))
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != linesType || resp.Header.Get("Runnel-Resume") != "reset" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	if open := next(); open["type"] != "runnel-open" || open["topic"] != nil || open["id"] != nil || open["data"].(map[string]any)["resume"] != "reset" {
		t.Errorf("opening %v", open)
	}
	if gap := next(); gap["type"] != "runnel-gap" || gap["id"] == nil {
		t.Errorf("gap %v", gap)
	}
	next()
	do(t, "POST", "http://"+s.Addrs().Publish+"/v1/topics/orders?type=tick", "a\r\n\"b\"\x00 <😀>")
	do(t, "POST", "http://"+s.Addrs().Publish+"/v1/topics/orders?encoding=base64", "/wA=")
	line := next()
	if line["topic"] != "orders" || line["type"] != "tick" || line["data"] != "a\r\n\"b\"\x00 <😀>" || !strings.HasSuffix(line["id"].(string), "-2") {
		t.Errorf("%v", line)
	}
	if at, err := time.Parse(time.RFC3339, line["time"].(string)); err != nil || time.Since(at) > time.Hour {
		t.Errorf("%v, %v", line["time"], err)
	}
	if line = next(); line["dataBase64"] != "/wA=" || line["data"] != nil {
		t.Errorf("%v", line)
	}
	go s.end()
	if end := next(); end["type"] != "runnel-close" || end["data"].(map[string]any)["reason"] != "drain" {
		t.Errorf("%v", end)
	}
	if line = next(); line != nil {
		t.Errorf("after the end: %v", line)
	}
}

func TestQuietLinesHoldEventsAlone(t *testing.T) {
	s := start(t, nil)
	_, next := readLines(t, s, q("topic", "orders", "control", "off"))
	s.publish("orders", "x")
	if line := next(); line["data"] != "x" {
		t.Errorf("%v", line)
	}
}

func TestAcceptIsNegotiated(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Limits.ConnectionsPerHub = 1 })
	s.read(q("topic", "orders")).expect("runnel-open", "live") // the only place
	for accept, want := range map[string]struct {
		status int
		kind   string
	}{
		"":                          {200, "text/event-stream; charset=utf-8"},
		"*/*":                       {200, "text/event-stream; charset=utf-8"},
		"text/*;q=0.5":              {200, "text/event-stream; charset=utf-8"},
		"application/x-ndjson":      {429, "application/problem+json"},
		"application/x-ndjson, */*": {429, "application/problem+json"},
		"application/x-ndjson, text/event-stream":             {200, "text/event-stream; charset=utf-8"},
		"text/event-stream;q=0.1, application/x-ndjson;q=0.2": {429, "application/problem+json"},
		"application/*":                           {429, "application/problem+json"},
		"application/*;q=0.5, text/*;q=0.4":       {429, "application/problem+json"},
		"application/*, text/*":                   {200, "text/event-stream; charset=utf-8"},
		"APPLICATION/X-NDJSON; Q=1":               {429, "application/problem+json"},
		"text/event-stream;q=0, */*":              {429, "application/problem+json"},
		"*/*, text/event-stream;q=0":              {429, "application/problem+json"},
		"text/*;q=0, */*":                         {429, "application/problem+json"},
		"application/x-ndjson;q=0, */*":           {200, "text/event-stream; charset=utf-8"},
		"application/*;q=0, */*;q=0.1":            {200, "text/event-stream; charset=utf-8"},
		"application/*, application/x-ndjson;q=0": {406, "application/problem+json"},
		"text/event-stream;q=0, text/*":           {406, "application/problem+json"},
		"text/event-stream;q=0, application/json": {406, "application/problem+json"},
		"*/*;q=0":                                     {406, "application/problem+json"},
		"text/event-stream;charset=utf-8":             {200, "text/event-stream; charset=utf-8"},
		"application/json, text/plain, */*":           {200, "text/event-stream; charset=utf-8"},
		"text/html, application/xml;q=0.9, */*;q=0.8": {200, "text/event-stream; charset=utf-8"},
		"text/event-stream;q=2":                       {406, "application/problem+json"},
		"text/event-stream;q=NaN":                     {406, "application/problem+json"},
		"text/html":                                   {406, "application/problem+json"},
		"text/event-stream;q=0":                       {406, "application/problem+json"},
		"nonsense;;;":                                 {406, "application/problem+json"},
	} {
		resp, body := do(t, "GET", s.url(q("topic", "orders")), "", "Accept", accept)
		if resp.StatusCode != want.status || resp.Header.Get("Content-Type") != want.kind {
			t.Errorf("%s: %d %v %s", accept, resp.StatusCode, resp.Header, body)
		}
		if retry := resp.Header.Get("Retry-After"); (retry != "") != (want.status == 429) {
			t.Errorf("%s: Retry-After %q", accept, retry)
		}
		if !slices.Contains(resp.Header.Values("Vary"), "Accept") && want.status != 406 {
			t.Errorf("%s: Vary %v", accept, resp.Header.Values("Vary"))
		}
	}
}

func TestEventsAsCloudEvents(t *testing.T) {
	s := start(t, nil)
	c := s.read(q("topic", ">", "format", "cloudevents"))
	c.expect("runnel-open", "live")
	u := "http://" + s.Addrs().Publish
	for name, p := range map[string]struct {
		path, body string
		header     []string
		typ, want  string // what of the event must be there
	}{
		"json":   {"/v1/topics/orders?type=tick", `{ "n": [1] }`, nil, "tick", `"type":"tick","subject":"orders","time":"*","datacontenttype":"application/json","runneltopic":"orders","data":{"n":[1]}}`},
		"text":   {"/v1/topics/orders", "a\nb", nil, "", `"type":"message","subject":"orders","time":"*","datacontenttype":"text/plain; charset=utf-8","runneltopic":"orders","data":"a\nb"}`},
		"binary": {"/v1/topics/orders?encoding=base64", "/wA=", nil, "", `"datacontenttype":"application/octet-stream","runneltopic":"orders","data_base64":"/wA="}`},
		"a CloudEvent": {"/v1/cloudevents/orders", "x > y", []string{"ce-specversion", "1.0", "ce-id", "7", "ce-source", "/shop", "ce-type", "made", "ce-mine", "a%20b", "Content-Type", "text/plain"},
			"made", `{"specversion":"1.0","id":"7","source":"/shop","type":"made","datacontenttype":"text/plain","mine":"a b","runneltopic":"orders","data":"x > y"}`},
		"text that looks like JSON": {"/v1/cloudevents/orders", "12", []string{"ce-specversion", "1.0", "ce-id", "8", "ce-source", "/shop", "ce-type", "made", "Content-Type", "text/plain"},
			"made", `"datacontenttype":"text/plain","runneltopic":"orders","data":"12"}`},
	} {
		resp, body := do(t, "POST", u+p.path, p.body, p.header...)
		if resp.StatusCode >= 300 {
			t.Fatalf("%s: %d %s", name, resp.StatusCode, body)
		}
		e, _ := c.next()
		var got map[string]any
		if err := json.Unmarshal([]byte(e.data), &got); err != nil || got["specversion"] != "1.0" || e.typ != p.typ {
			t.Fatalf("%s: %+v, %v", name, e, err)
		}
		if want := strings.ReplaceAll(p.want, `"*"`, fmt.Sprintf("%q", got["time"])); !strings.HasSuffix(e.data, want) {
			t.Errorf("%s: %s, want %s", name, e.data, want)
		}
		if name != "a CloudEvent" && got["source"] != "/shop" && (got["source"] != "/namespaces/team-a/eventstreams/shop" || got["id"] != e.id) {
			t.Errorf("%s: %s", name, e.data)
		}
	}
	resp, body := do(t, "POST", u+"/v1/cloudevents/orders", "12", ce("ce-id", "9", "ce-runnelid", "mine")...)
	newest := resp.Header.Get("Runnel-Event-Id")
	if newest == "" {
		t.Fatal(body)
	}
	if e, _ := c.next(); strings.Contains(e.data, "runnelid") {
		t.Errorf("another hub's id: %s", e.data)
	}
	_, next := readLines(t, s, q("topic", "orders", "format", "cloudevents", "replay", "1"))
	next()
	if line := next(); line["specversion"] != "1.0" || line["id"] != "9" || line["runnelid"] != newest {
		t.Errorf("in lines: %v", line)
	}
}

func TestConflatingReadersGetTheNewestOfEachKey(t *testing.T) {
	s := start(t, nil)
	for _, p := range []string{"a?key=x", "b?key=y", "c?key=x", "d", "e"} {
		data, query, _ := strings.Cut(p, "?")
		if resp, body := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/topics/orders?"+query, data); resp.StatusCode != 200 {
			t.Fatal(body)
		}
	}
	c := s.read(q("topic", "orders", "last_event_id", "earliest", "conflate", "latest"))
	c.expect("runnel-open", "exact")
	for _, want := range []string{"b", "c", "e"} {
		if e, _ := c.next(); e.data != want {
			t.Errorf("got %+v, want %s", e, want)
		}
	}
	last := s.read(q("topic", "last", "conflate", "latest"))
	last.expect("runnel-open", "live")
	cursor := s.publish("last", "1")
	last.expect("", "1")
	last.close()
	for i := range 9 {
		s.publish("last", fmt.Sprint(i+2))
	}
	again := s.read(q("topic", "last", "conflate", "latest"), "Last-Event-ID", cursor)
	again.expect("runnel-open", `"resume":"exact"`) // what was replaced is not missed
	again.expect("", "10")
}

func TestABurstLongerThanATopicIsDeepReachesItsReaders(t *testing.T) {
	s := startWith(t, hub.Options{}, nil)
	c := s.read(q("topic", "last")) // which keeps one event
	c.expect("runnel-open", "live")
	const events = 1000
	var batch strings.Builder
	for i := range events {
		fmt.Fprintf(&batch, `{"topic":"last","data":%d}`+"\n", i)
	}
	if resp, body := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/publish", batch.String(), "Content-Type", linesType); resp.StatusCode != 200 {
		t.Fatal(body)
	}
	for i := range events {
		c.expect("", fmt.Sprint(i))
	}
}
