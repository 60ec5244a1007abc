package hub_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
)

func TestReadersAreToldThatATopicIsComplete(t *testing.T) {
	// No heartbeat wakes a reader that was not told.
	s := start(t, func(c *config.Config) { c.Heartbeat.Interval = config.Duration(10 * time.Minute) })
	u := "http://" + s.Addrs().Publish + "/v1/topics/"
	one := s.read(q("topic", "prices.a"))
	both := s.read(q("topic", "prices.a", "topic", "prices.b"))
	pattern := s.read(q("topic", "prices.*"))
	for _, c := range []*reader{one, both, pattern} {
		c.expect("runnel-open", "live")
	}
	s.publish("prices.a", "1")
	resp, body := do(t, "POST", u+"prices.a/complete?type=end&id=e", "2")
	if resp.StatusCode != 200 || !strings.Contains(body, `"topic":"prices.a","duplicate":false`) {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if _, again := do(t, "POST", u+"prices.a/complete?type=end&id=e", "2"); again != strings.Replace(body, "false", "true", 1) {
		t.Errorf("said again: %s", again)
	}
	for _, c := range []*reader{one, both, pattern} {
		c.expect("", "1")
		c.expect("end", "2")
	}
	one.expect("runnel-close", `{"reason":"complete","reconnect":false`)
	one.ends()
	if resp, body := do(t, "POST", u+"prices.b/complete", ""); resp.StatusCode != 200 || !strings.Contains(body, `"id":"`+one.lastID+`"`) {
		t.Errorf("without an event: %d %s", resp.StatusCode, body)
	}
	both.expect("runnel-close", "complete")
	both.ends()
	if resp, _ := do(t, "GET", s.url(q("topic", "prices.a")), "", "Last-Event-ID", one.lastID); resp.StatusCode != 204 || resp.Header.Get("Content-Type") != "" || resp.Header.Get("Runnel-Cursor") != one.lastID {
		t.Errorf("at the end: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := do(t, "GET", s.url(q("topic", "prices.a")), "", "Accept", linesType); resp.StatusCode != 204 {
		t.Errorf("without a cursor: %d", resp.StatusCode)
	}
	late := s.read(q("topic", "prices.a", "last_event_id", "earliest"))
	late.expect("runnel-open", "exact")
	late.expect("", "1")
	late.expect("end", "2")
	late.expect("runnel-close", "complete")
	late.ends()
	if resp, body := do(t, "POST", u+"prices.a", "3"); resp.StatusCode != 409 || !strings.Contains(body, "topic_complete") {
		t.Errorf("an event after the last: %d %s", resp.StatusCode, body)
	}
	s.publish("prices.c", "goes on")
	pattern.expect("", "goes on")
	if got := metrics(t, s); !strings.Contains(got, `runnel_hub_connections_ended_total{reason="complete"} 3`) {
		t.Error(got)
	}
}

func TestTopicsAreListed(t *testing.T) {
	cluster := newCluster(t)
	s := start(t, cluster.lets(config.Grant{Namespace: "team-a", Name: config.EveryAccount, Topics: []string{"orders", "prices.>"}}))
	u := "http://" + s.Addrs().Publish + "/v1/topics"
	bearer := []string{"Authorization", "Bearer " + cluster.token("team-a:a")}
	for _, topic := range []string{"prices.b", "prices.a", "prices.a"} {
		if resp, body := do(t, "POST", u+"/"+topic, "x", bearer...); resp.StatusCode != 200 {
			t.Fatal(body)
		}
	}
	s.read(q("topic", "prices.*")).expect("runnel-open", "")
	s.read(q("topic", "prices.a")).expect("runnel-open", "")
	type info struct {
		Topic, FirstID, LastID    string
		Depth, Bytes, Subscribers int
		Complete                  bool
	}
	var page struct {
		Topics []info
		After  string
	}
	resp, body := do(t, "GET", u+"?limit=2", "", bearer...)
	if err := json.Unmarshal([]byte(body), &page); err != nil || resp.StatusCode != 200 || len(page.Topics) != 2 || page.After != "prices.a" {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if got := page.Topics[0]; got != (info{Topic: "orders"}) {
		t.Errorf("%+v", got)
	}
	if got := page.Topics[1]; got.Topic != "prices.a" || got.Depth != 2 || got.Bytes == 0 || got.Subscribers != 2 || !strings.HasSuffix(got.FirstID, "-2") || !strings.HasSuffix(got.LastID, "-3") {
		t.Errorf("%+v", got)
	}
	if _, body = do(t, "GET", u+"?after=prices.a", "", bearer...); !strings.Contains(body, `"topic":"prices.b"`) || strings.Contains(body, "after") || strings.Contains(body, `"topic":"last"`) {
		t.Error(body)
	}
	if _, one := do(t, "GET", u+"/prices.b", "", bearer...); !strings.Contains(one, `{"topic":"prices.b","depth":1,`) {
		t.Error(one)
	}
	for path, want := range map[string]string{"?limit=0": "parameter_malformed", "/last": "topic_not_granted", "/prices.*": "topic_malformed", "/prices.a.b": "topic_not_declared"} {
		if resp, body := do(t, "GET", u+path, "", bearer...); resp.StatusCode < 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	if resp, _ := do(t, "GET", u, ""); resp.StatusCode != 401 {
		t.Errorf("without a credential: %d", resp.StatusCode)
	}
}

func TestAClaimThatListsTooManyTopicsIsNamed(t *testing.T) {
	s := startJWT(t, func(c *config.Config) {
		i := &c.Auth.Subscribers.JWT.Issuers[0]
		i.Topics, i.TopicsClaim = nil, "topics"
	})
	listed := append(slices.Repeat([]string{"users.alice.x"}, 64), "last")
	for advice, topics := range map[string][]string{"claim topics lists more topics than the 64 that count": listed, "ask its issuer for one whose claim topics lists it": listed[:64]} {
		token := asBearer(tokenOf(t, "alice", map[string]any{"topics": topics}))
		if resp, body := do(t, "GET", s.url("topic=last"), "", token...); resp.StatusCode != 403 || !strings.Contains(body, advice) {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
		s.read("topic=users.alice.x", token...).expect("runnel-open", "live")
	}
}
