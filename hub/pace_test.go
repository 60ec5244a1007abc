package hub_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/config"
)

func TestAPublisherIsHeldToItsRate(t *testing.T) {
	const batched = 600 // events, which take ten minutes to make up for: far longer than the requests below
	s := start(t, func(c *config.Config) { c.Limits.EventsPerSecondPerPublisher = 1 })
	u := "http://" + s.Addrs().Publish
	batch := strings.Repeat(`{"topic":"orders","data":1}`+"\n", batched) // a second's worth and far more: it is owed
	if resp, body := do(t, "POST", u+"/v1/publish", batch, "Content-Type", linesType); resp.StatusCode != 200 || strings.Contains(body, "error") {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	for name, again := range map[string]struct {
		path, body string
		header     []string
	}{
		"raw":      {"/v1/topics/orders", "x", nil},
		"document": {"/v1/publish", `{"topic":"orders","data":1}`, []string{"Content-Type", jsonType}},
		"lines":    {"/v1/publish", batch, []string{"Content-Type", linesType}},
		"event":    {"/v1/cloudevents/orders", "x", ce()},
		"end":      {"/v1/topics/orders/complete", "x", nil},
	} {
		resp, body := do(t, "POST", u+again.path, again.body, again.header...)
		after, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if resp.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, "rate_exceeded") || err != nil || after < 1 || after > batched {
			t.Errorf("%s: %d %v %s", name, resp.StatusCode, resp.Header, body)
		}
	}
	if seq := s.Status().Seq; seq != batched {
		t.Errorf("%d events are stored", seq)
	}
	c := base()
	if err := s.Reload(c); err != nil {
		t.Fatal(err)
	}
	s.publish("orders", "without a limit")
}

// TestARefusedRequestCountsForItsPublishersRate has publishers send what they are not granted. Those that owe nothing are told so; those that
// are over their rate are told that, however many topics they name.
func TestARefusedRequestCountsForItsPublishersRate(t *testing.T) {
	cluster := newCluster(t)
	grant := cluster.lets(config.Grant{Namespace: "team-a", Name: config.EveryAccount, Topics: []string{"orders"}})
	s := start(t, func(c *config.Config) {
		grant(c)
		c.Limits.EventsPerSecondPerPublisher = 1
	})
	u := "http://" + s.Addrs().Publish
	for name, c := range map[string]struct {
		path, body string
		header     []string
		refused    string // of a publisher that owes nothing
	}{
		"raw":       {"/v1/topics/last", "x", nil, "topic_not_granted"},
		"document":  {"/v1/publish", `{"topic":"last","data":1}`, []string{"Content-Type", jsonType}, "topic_not_granted"},
		"topics":    {"/v1/publish", `{"topics":["orders","last","prices.eur"],"data":1}`, []string{"Content-Type", jsonType}, "topic_not_granted"},
		"malformed": {"/v1/publish", `{"topics":["orders","a..b"],"data":1}`, []string{"Content-Type", jsonType}, "topic_malformed"},
		"lines":     {"/v1/publish", `{"topic":"last","data":1}`, []string{"Content-Type", linesType}, "topic_not_granted"},
		"event":     {"/v1/cloudevents/last", "x", ce(), "topic_not_granted"},
		"events": {"/v1/cloudevents", `[{"specversion":"1.0","id":"1","source":"s","type":"orders"},{"specversion":"1.0","id":"2","source":"s","type":"last"}]`,
			[]string{"Content-Type", "application/cloudevents-batch+json"}, "topic_not_granted"},
		"end":           {"/v1/topics/last/complete", "", nil, "topic_not_granted"},
		"end and event": {"/v1/topics/last/complete", "x", nil, "topic_not_granted"},
	} {
		t.Run(name, func(t *testing.T) {
			send := func(account, path, body string, header []string) string {
				resp, answer := do(t, "POST", u+path, body, append(asBearer(cluster.token("team-a:"+strings.ReplaceAll(account, " ", "-"))), header...)...)
				return resp.Status + " " + answer
			}
			if got := send("new-"+name, c.path, c.body, c.header); !strings.Contains(got, c.refused) {
				t.Errorf("owing nothing: %s", got)
			}
			const batched = 600 // which takes ten minutes to make up for
			if got := send("owes-"+name, "/v1/publish", strings.Repeat(`{"topic":"orders","data":1}`+"\n", batched), []string{"Content-Type", linesType}); !strings.HasPrefix(got, "200") {
				t.Fatal(got)
			}
			if got := send("owes-"+name, c.path, c.body, c.header); !strings.Contains(got, "rate_exceeded") {
				t.Errorf("owing: %s", got)
			}
		})
	}
}
