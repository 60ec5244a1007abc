package hub_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	structured = "application/cloudevents+json"
	batched    = "application/cloudevents-batch+json; charset=utf-8"
)

func ce(extra ...string) []string {
	return append([]string{"ce-specversion", "1.0", "ce-id", "1", "ce-source", "/shop", "ce-type", "made"}, extra...)
}

func TestCloudEventsArePublished(t *testing.T) {
	s := start(t, nil)
	c := s.read(q("topic", ">"))
	c.expect("runnel-open", "live")
	const required = `"specversion":"1.0","source":"/shop","type":"made"`
	for name, p := range map[string]struct {
		path, body string
		header     []string
		topic      string
		want       sse
	}{
		"binary":                 {"/v1/cloudevents/orders", "a\nb", ce("ce-id", "b1"), "orders", sse{typ: "made", data: "a\nb"}},
		"topic by extension":     {"/", "x", ce("ce-id", "b2", "ce-topic", "orders", "ce-subject", "last"), "orders", sse{typ: "made", data: "x"}},
		"topic by subject":       {"/v1/cloudevents", "x", ce("ce-id", "b3", "ce-subject", "prices.x"), "prices.x", sse{typ: "made", data: "x"}},
		"topic by type":          {"/", "x", ce("ce-id", "b4", "ce-type", "orders"), "orders", sse{typ: "orders", data: "x"}},
		"no data":                {"/v1/cloudevents/orders", "", ce("ce-id", "b5"), "orders", sse{typ: "made"}},
		"quoted, encoded":        {"/", "x", ce("ce-id", `"b 6%25"`, "ce-subject", "last"), "last", sse{typ: "made", data: "x"}},
		"percent signs":          {"/v1/cloudevents/orders", "x", ce("ce-id", "b10", "ce-mine", "50% %zz"), "orders", sse{typ: "made", data: "x"}},
		"an image":               {"/v1/cloudevents/orders", "\xff\x00", ce("ce-id", "b7", "Content-Type", "image/png"), "orders", sse{typ: "made", data: "/wA="}},
		"bytes of no type":       {"/v1/cloudevents/orders", "\xff\x00", ce("ce-id", "b8"), "orders", sse{typ: "made", data: "/wA="}},
		"structured":             {"/v1/cloudevents/orders", `{` + required + `,"id":"s1","n":1,"b":true,"z":null,"data":{ "a": 1 }}`, []string{"Content-Type", structured}, "orders", sse{typ: "made", data: `{"a":1}`}},
		"structured, text":       {"/v1/cloudevents/orders", `{` + required + `,"id":"s2","datacontenttype":"text/plain","data":"x\ny"}`, []string{"Content-Type", structured}, "orders", sse{typ: "made", data: "x\ny"}},
		"structured, string":     {"/v1/cloudevents/orders", `{` + required + `,"id":"s3","data":"x"}`, []string{"Content-Type", structured}, "orders", sse{typ: "made", data: `"x"`}},
		"structured, base64":     {"/", `{` + required + `,"id":"s4","subject":"orders","datacontenttype":"image/png","data_base64":"/wA="}`, []string{"Content-Type", structured}, "orders", sse{typ: "made", data: "/wA="}},
		"structured, text64":     {"/", `{` + required + `,"id":"s5","subject":"orders","datacontenttype":"text/plain","data_base64":"w6k="}`, []string{"Content-Type", structured}, "orders", sse{typ: "made", data: "é"}},
		"structured, no data":    {"/", `{` + required + `,"id":"s6","subject":"orders"}`, []string{"Content-Type", structured}, "orders", sse{typ: "made"}},
		"batched":                {"/v1/cloudevents/orders", `[{` + required + `,"id":"t1","data":1}]`, []string{"Content-Type", batched}, "orders", sse{typ: "made", data: "1"}},
		"type message by chance": {"/v1/cloudevents/orders", "x", ce("ce-id", "b9", "ce-type", "message"), "orders", sse{data: "x"}},
	} {
		resp, body := do(t, "POST", "http://"+s.Addrs().Publish+p.path, p.body, p.header...)
		if resp.StatusCode != 202 || body != "" || resp.Header.Get("Content-Type") != "" {
			t.Fatalf("%s: %d %v %s", name, resp.StatusCode, resp.Header, body)
		}
		got, _ := c.next()
		if id := resp.Header.Get("Runnel-Event-Id"); id == "" || id != got.id {
			t.Errorf("%s: id %s for %+v", name, id, got)
		}
		if got.id = ""; got != p.want {
			t.Errorf("%s: got %+v, want %+v", name, got, p.want)
		}
	}
}

func TestCloudEventsAreKnownBySourceAndID(t *testing.T) {
	s := start(t, nil)
	u := "http://" + s.Addrs().Publish + "/v1/cloudevents/orders"
	first, _ := do(t, "POST", u, "x", ce()...)
	again, _ := do(t, "POST", u, "x", ce("ce-traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")...)
	if a, b := first.Header.Get("Runnel-Event-Id"), again.Header.Get("Runnel-Event-Id"); again.StatusCode != 202 || a != b {
		t.Errorf("%s became %s", a, b)
	}
	if resp, body := do(t, "POST", u, "y", ce()...); resp.StatusCode != 422 || !strings.Contains(body, "key_reused") {
		t.Errorf("another payload: %d %s", resp.StatusCode, body)
	}
	if resp, _ := do(t, "POST", u, "y", ce("ce-source", "/stock")...); resp.StatusCode != 202 {
		t.Errorf("another source: %d", resp.StatusCode)
	}
	for _, one := range [][]string{{"ce-source", "/a%2520b", "ce-id", "c"}, {"ce-source", "/a", "ce-id", "b c"}} {
		if resp, body := do(t, "POST", u, "z", ce(one...)...); resp.StatusCode != 202 {
			t.Errorf("%v: %d %s", one, resp.StatusCode, body)
		}
	}
	if seq := s.Status().Seq; seq != 4 {
		t.Errorf("%d events are stored", seq)
	}
}

func TestACloudEventThatExpiresMayBeSentAgain(t *testing.T) {
	s := start(t, nil)
	u := "http://" + s.Addrs().Publish + "/v1/cloudevents/orders"
	expires := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	first, _ := do(t, "POST", u, "x", ce("ce-expirytime", expires)...)
	again, body := do(t, "POST", u, "x", ce("ce-expirytime", expires)...)
	if a, b := first.Header.Get("Runnel-Event-Id"), again.Header.Get("Runnel-Event-Id"); again.StatusCode != 202 || a != b {
		t.Errorf("%s became %s: %d %s", a, b, again.StatusCode, body)
	}
}

func TestCloudEventsKeyAndExpiry(t *testing.T) {
	s := start(t, nil)
	u := "http://" + s.Addrs().Publish + "/v1/cloudevents/orders"
	for i, extra := range [][]string{{"ce-partitionkey", "k"}, {"ce-partitionkey", "k"}, {"ce-expirytime", "2020-01-01T00:00:00Z"}, {"ce-partitionkey", "l"}} {
		if resp, body := do(t, "POST", u, fmt.Sprint(i), ce(append(extra, "ce-id", fmt.Sprint(i))...)...); resp.StatusCode != 202 {
			t.Fatal(body)
		}
	}
	c := s.read(q("topic", "orders", "last_event_id", "earliest", "conflate", "latest"))
	c.expect("runnel-open", "")
	for _, want := range []string{"1", "3"} {
		if e, _ := c.next(); e.data != want {
			t.Errorf("got %+v, want %s", e, want)
		}
	}
}

func TestCloudEventRefusals(t *testing.T) {
	s := start(t, nil)
	const required = `"specversion":"1.0","id":"1","source":"/shop","type":"made"`
	j := []string{"Content-Type", structured}
	for name, c := range map[string]struct {
		path, body string
		header     []string
		status     int
		want       string
	}{
		"no event":            {"/", "x", nil, 415, "content_type"},
		"other format":        {"/", "<a/>", []string{"Content-Type", "application/cloudevents+xml"}, 415, "content_type"},
		"no id":               {"/v1/cloudevents/orders", "x", []string{"ce-specversion", "1.0", "ce-source", "/", "ce-type", "t"}, 400, "attribute id is missing"},
		"old":                 {"/v1/cloudevents/orders", "x", ce("ce-specversion", "0.3"), 400, "specversion is not 1.0"},
		"not utf-8 header":    {"/v1/cloudevents/orders", "x", ce("ce-subject", "%ff"), 400, "attribute subject"},
		"control":             {"/v1/cloudevents/orders", "x", ce("ce-subject", "a%0Ab"), 400, "attribute subject"},
		"time":                {"/v1/cloudevents/orders", "x", ce("ce-time", "today"), 400, "attribute time"},
		"space":               {"/v1/cloudevents/orders", "x", ce("ce-source", "/a b"), 400, "attribute source is no URI reference"},
		"space, encoded":      {"/v1/cloudevents/orders", "x", ce("ce-source", "/a%20b"), 400, "attribute source is no URI reference"},
		"space, structured":   {"/v1/cloudevents/orders", `{"specversion":"1.0","id":"1","source":"/a b","type":"t"}`, j, 400, "attribute source is no URI reference"},
		"space, batched":      {"/v1/cloudevents/orders", `[{"specversion":"1.0","id":"1","source":"/a b","type":"t"}]`, []string{"Content-Type", batched}, 400, "event 0: attribute source is no URI reference"},
		"empty subject":       {"/v1/cloudevents/orders", "x", ce("ce-subject", ""), 400, "attribute subject is empty"},
		"noncharacter":        {"/v1/cloudevents/orders", "x", ce("ce-mine", "%EF%BF%BF"), 400, "attribute mine holds"},
		"content type":        {"/v1/cloudevents/orders", "x", ce("Content-Type", "json"), 400, "attribute datacontenttype is no media type"},
		"schema":              {"/v1/cloudevents/orders", "x", ce("ce-dataschema", "/order.json"), 400, "attribute dataschema is no absolute URI"},
		"name":                {"/v1/cloudevents/orders", "x", ce("ce-my-own", "x"), 400, "lower-case letters and digits"},
		"text not utf-8":      {"/v1/cloudevents/orders", "\xff", ce("Content-Type", "text/plain"), 415, "data_not_utf8"},
		"reserved type":       {"/v1/cloudevents/orders", "x", ce("ce-type", "runnel-open"), 422, "type_refused"},
		"topic not derivable": {"/", "x", ce("ce-subject", "/orders/1"), 422, "topic_not_derivable"},
		"undeclared":          {"/", "x", ce("ce-subject", "nowhere"), 404, "topic_not_declared"},
		"too large":           {"/v1/cloudevents/orders", strings.Repeat("x", 4<<10+1), ce(), 413, "event_too_large"},
		"no json":             {"/v1/cloudevents/orders", "{", j, 400, "cloudevent_malformed"},
		"not utf-8":           {"/v1/cloudevents/orders", "{\"a\":\"\xff\"}", j, 415, "data_not_utf8"},
		"data twice":          {"/v1/cloudevents/orders", `{` + required + `,"data":1,"data_base64":""}`, j, 400, "both data and data_base64"},
		"base64":              {"/v1/cloudevents/orders", `{` + required + `,"data_base64":"%"}`, j, 400, "RFC 4648"},
		"object":              {"/v1/cloudevents/orders", `{` + required + `,"mine":{}}`, j, 400, "attribute mine: write a string"},
		"fraction":            {"/v1/cloudevents/orders", `{` + required + `,"mine":1.5}`, j, 400, "attribute mine: write a string"},
		"id as number":        {"/v1/cloudevents/orders", `{"specversion":"1.0","id":1,"source":"/","type":"t"}`, j, 400, "attribute id is no string"},
		"null id":             {"/v1/cloudevents/orders", `{"specversion":"1.0","id":null,"source":"/","type":"t"}`, j, 400, "attribute id is missing"},
		"batch of one event":  {"/v1/cloudevents/orders", `{` + required + `}`, []string{"Content-Type", batched}, 400, "no JSON array of events: object stands where a list is expected"},
		"second of a batch":   {"/v1/cloudevents/orders", `[{` + required + `},{}]`, []string{"Content-Type", batched}, 400, "event 1: "},
		"one undeclared":      {"/", `[{` + required + `,"subject":"orders"},{` + required + `,"subject":"nowhere"}]`, []string{"Content-Type", batched}, 404, "topic_not_declared"},
		"large batch":         {"/", "[" + strings.Repeat(`{},`, 1000) + "{}]", []string{"Content-Type", batched}, 400, "at most 1000"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := do(t, "POST", "http://"+s.Addrs().Publish+c.path, c.body, c.header...)
			if resp.StatusCode != c.status || !strings.Contains(body, c.want) || resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	if seq := s.Status().Seq; seq != 0 {
		t.Errorf("%d refused events were stored", seq)
	}
}
