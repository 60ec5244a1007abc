package hub_test

import (
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
)

func TestResumes(t *testing.T) {
	s := start(t, nil)
	first := s.publish("orders", "1")
	s.publish("orders", "2")
	for name, c := range map[string]*reader{
		"header":            s.read("topic=orders", "Last-Event-ID", first),
		"query":             s.read(q("topic", "orders", "last_event_id", first)),
		"polyfill's query":  s.read(q("topic", "orders", "lastEventId", first)),
		"lastEventID":       s.read(q("topic", "orders", "lastEventID", first)),
		"last-event-id":     s.read(q("topic", "orders", "last-event-id", first)),
		"the last of three": s.read("topic=orders&last_event_id=earliest&lastEventId=00000000-1&lastEventId=" + first),
		"before earliest":   s.read("topic=orders&last_event_id=" + first + "&lastEventId=earliest&lastEventId="),
		"header over query": s.read(q("topic", "orders", "last_event_id", "earliest"), "Last-Event-ID", first),
	} {
		c.expect("runnel-open", `"exact"`)
		if e := c.expect("", "2"); e.data != "2" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	c := s.read(q("topic", "orders", "last_event_id", "earliest"))
	c.expect("runnel-open", `"exact"`)
	c.expect("", "1")
	c.expect("", "2")
	c = s.read("topic=orders", "Last-Event-ID", strings.Repeat("x", 10000))
	c.expect("runnel-open", `"gap"`)
	if e := c.expect("runnel-gap", `"unknown_id"`); len(e.data) > 1000 {
		t.Errorf("the hub echoes %d bytes", len(e.data))
	}
}

func TestRestartIsAReset(t *testing.T) {
	old := start(t, nil)
	id := old.publish("orders", "before")
	old.end()
	s := start(t, nil)
	s.publish("orders", "after")
	c := s.read("topic=orders", "Last-Event-ID", id)
	if e := c.expect("runnel-open", `"reset"`); e.id != "" {
		t.Errorf("open moves the cursor over the gap: %+v", e)
	}
	if e := c.expect("runnel-gap", `"requested":"`+id+`"`); e.id == "" || !strings.Contains(e.data, `"reason":"reset","topics":["orders"]`) {
		t.Errorf("%+v", e)
	}
	c.expect("", "after")
	if c.resp.Header.Get("Runnel-Resume") != "reset" {
		t.Errorf("%v", c.resp.Header)
	}
}

func TestReadersWithoutACursorMayBeginEarlier(t *testing.T) {
	s := start(t, nil)
	before := time.Now().Add(-time.Second)
	s.publish("orders", "1")
	s.publish("prices.x", "2")
	s.publish("orders", "3")
	for query, want := range map[string][]string{
		q("topic", ">", "replay", "1"):                                   {"2", "3"},
		q("topic", "orders", "replay", "9"):                              {"1", "3"},
		q("topic", "orders", "since", "30m"):                             {"1", "3"},
		q("topic", "orders", "since", before.UTC().Format(time.RFC3339)): {"1", "3"},
		"topic=orders&since=2026-01-31T10:00:00+01:00":                   {"1", "3"},
		q("topic", "orders", "last_event_id", "earliest", "replay", "1"): {"1", "3"},
	} {
		c := s.read(query)
		c.expect("runnel-open", "")
		for _, data := range want {
			c.expect("", data)
		}
		c.close()
	}
}

func TestReaderOptionsInTheQuery(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Topics[0].Events = 1 })
	first := s.publish("orders", "1")
	second := s.publish("orders", "2")
	third := s.publish("orders", "3")
	c := s.read(q("topic", "orders", "heartbeat", "1ms"))
	c.expect("runnel-open", `"heartbeatMs":5000`)
	c = s.read(q("topic", "orders", "heartbeat", "24h"))
	c.expect("runnel-open", `"heartbeatMs":600000`)
	c = s.read(q("topic", "orders", "control", "off"), "Last-Event-ID", first)
	c.expect("", "3") // neither an opening nor the gap comes before it
	resp, body := do(t, "GET", s.url(q("topic", "orders", "on_gap", "fail")), "", "Last-Event-ID", first)
	if resp.StatusCode != 410 || !strings.Contains(body, `"code":"gap"`) || !strings.Contains(body, "last_event_id="+second) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	c = s.read(q("topic", "orders", "on_gap", "fail"), "Last-Event-ID", third)
	c.expect("runnel-open", "exact")
	for name, bad := range map[string]string{"replay": "0", "since": "yesterday", "heartbeat": "soon", "heartbeat_mode": "loud", "flush": "-1s", "control": "no", "on_gap": "shrug", "padding": "1"} {
		resp, body := do(t, "GET", s.url(q("topic", "orders", name, bad)), "")
		if resp.StatusCode != 400 || !strings.Contains(body, `"code":"parameter_malformed"`) || !strings.Contains(body, name+"=`"+bad+"`: write ") {
			t.Errorf("%s=%s: %d %s", name, bad, resp.StatusCode, body)
		}
	}
}
