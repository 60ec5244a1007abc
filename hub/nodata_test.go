package hub_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestACloudEventWithoutDataStaysWithoutData(t *testing.T) {
	s := start(t, nil)
	c := s.read(q("topic", "orders", "format", "cloudevents"))
	c.expect("runnel-open", "live")
	plain := s.read(q("topic", "orders"))
	plain.expect("runnel-open", "live")
	_, line := readLines(t, s, q("topic", "orders"))
	line()
	_, eventLine := readLines(t, s, q("topic", "orders", "format", "cloudevents"))
	eventLine()
	n := 0
	structuredWith := func(members string) (body string, header []string) {
		return fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/shop","type":"made"%s}`, n, members), []string{"Content-Type", structured}
	}
	for name, p := range map[string]struct {
		binary  []string // headers, of an empty body
		members string   // of a structured event
		data    string   // as it is out there
		member  string   // that holds data; empty is none
		value   any
	}{
		"binary":                   {binary: []string{"Content-Type", ""}},
		"binary, of a type":        {binary: []string{"Content-Type", "application/json"}},
		"binary, of bytes":         {binary: []string{"Content-Type", "image/png"}},
		"structured":               {},
		"structured, of a type":    {members: `,"datacontenttype":"text/plain"`},
		"null":                     {members: `,"data":null`, data: "null", member: "data"},
		"empty text":               {members: `,"datacontenttype":"text/plain","data":""`, member: "data", value: ""},
		"an empty string in JSON":  {members: `,"data":""`, data: `""`, member: "data", value: ""},
		"empty base64":             {members: `,"datacontenttype":"image/png","data_base64":""`, member: "data_base64", value: ""},
		"empty base64, JSON of it": {members: `,"datacontenttype":"application/json","data_base64":""`, member: "data_base64", value: ""},
		"bytes that are JSON":      {members: `,"datacontenttype":"application/json","data_base64":"eyB9"`, data: "{ }", member: "data", value: map[string]any{}},
		"text that should be JSON": {members: `,"datacontenttype":"application/json","data_base64":"e30p"`, data: "{})", member: "data_base64", value: "e30p"},
	} {
		n++
		body, header := structuredWith(p.members)
		if p.binary != nil {
			body, header = "", ce(append(p.binary, "ce-id", fmt.Sprint(n))...)
		}
		resp, answer := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/cloudevents/orders", body, header...)
		if resp.StatusCode != 202 {
			t.Errorf("%s: %d %s", name, resp.StatusCode, answer)
			continue
		}
		if e, _ := plain.next(); e.data != p.data {
			t.Errorf("%s: data %q, want %q", name, e.data, p.data)
		}
		var block map[string]any
		if e, _ := c.next(); json.Unmarshal([]byte(e.data), &block) != nil {
			t.Fatalf("%s: %+v", name, e)
		}
		for _, got := range []map[string]any{block, eventLine()} {
			for _, member := range []string{"data", "data_base64"} {
				if value, there := got[member]; there != (member == p.member) || there && !reflect.DeepEqual(value, p.value) {
					t.Errorf("%s: %v, want %s %v", name, got, p.member, p.value)
				}
			}
		}
		got := line()
		_, asText := got["data"]
		_, asBytes := got["dataBase64"]
		if there := asText || asBytes; there != (p.member != "") {
			t.Errorf("%s, in lines: %v", name, got)
		}
	}
}

// An event goes from hub to hub twice here: published at one that has handed over, and followed from the one that stores it.
func TestEveryHubKnowsThatACloudEventHasNoData(t *testing.T) {
	s := newStream(t, nil)
	old, next := s.ready(), s.ready()
	old.untilRole("following")
	var readers []*reader
	for _, hub := range []*pod{old, next} {
		c := hub.read(q("topic", "orders", "format", "cloudevents"))
		c.expect("runnel-open", "live")
		readers = append(readers, c)
	}
	if resp, body := do(t, "POST", "http://"+old.Addrs().Publish+"/v1/cloudevents/orders", "", ce()...); resp.StatusCode != 202 {
		t.Fatal(body)
	}
	for _, c := range readers {
		if e, _ := c.next(); e.typ != "made" || strings.Contains(e.data, `"data`) {
			t.Errorf("%+v", e)
		}
	}
}
