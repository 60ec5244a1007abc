package hub_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/config"
)

const batchType = "application/cloudevents-batch+json"

// TestAMistypedTopicIsSuggested goes through every way to name a topic.
func TestAMistypedTopicIsSuggested(t *testing.T) {
	s := start(t, nil)
	publish, subscribe := "http://"+s.Addrs().Publish, "http://"+s.Addrs().Subscribe
	json, lines := []string{"Content-Type", jsonType}, []string{"Content-Type", linesType}
	batch := []string{"Content-Type", batchType}
	for name, c := range map[string]struct {
		method, url, body string
		header            []string
		want              string
	}{
		"raw":               {"POST", publish + "/v1/topics/order", "x", nil, "topic order is not declared: did you mean orders? Otherwise add it"},
		"document":          {"POST", publish + "/v1/publish", `{"topic":"oders","data":1}`, json, "did you mean orders?"},
		"documents":         {"POST", publish + "/v1/publish", `{"topics":["orders","price.eur"],"data":1}`, json, "did you mean prices.eur?"},
		"lines":             {"POST", publish + "/v1/publish", `{"topic":"Orders","data":1}`, lines, "did you mean orders?"},
		"CloudEvent":        {"POST", publish + "/v1/cloudevents/ordesr", "x", ce(), "did you mean orders?"},
		"CloudEvents":       {"POST", publish + "/v1/cloudevents", `[{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"lst"}]`, batch, "did you mean last?"},
		"end":               {"POST", publish + "/v1/topics/order/complete", "", nil, "did you mean orders?"},
		"state":             {"GET", publish + "/v1/topics/order", "", nil, "did you mean orders?"},
		"subscribe":         {"GET", subscribe + "/v1/events?topic=orders&topic=order", "", nil, "did you mean orders?"},
		"subscribe to one":  {"GET", subscribe + "/v1/topics/order/events", "", nil, "did you mean orders?"},
		"subscribe pattern": {"GET", subscribe + "/v1/events?topic=price.*", "", nil, "did you mean prices.*?"},
		"subscribe all":     {"GET", subscribe + "/v1/events?topic=price.%3E", "", nil, "did you mean prices.>?"},
		"JSON lines":        {"GET", subscribe + "/v1/events?topic=order", "", []string{"Accept", linesType}, "did you mean orders?"},
	} {
		t.Run(name, func(t *testing.T) {
			if resp, body := do(t, c.method, c.url, c.body, c.header...); resp.StatusCode != http.StatusNotFound && name != "lines" || !strings.Contains(body, c.want) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	for _, u := range []string{"/v1/topics/nowhere", "/v1/topics/orders.eu"} {
		if resp, body := do(t, "POST", publish+u, "x"); resp.StatusCode != http.StatusNotFound || strings.Contains(body, "did you mean") || !strings.Contains(body, "add it to the stream's spec.topics") {
			t.Errorf("%s: %d %s", u, resp.StatusCode, body)
		}
	}
}

// TestNobodyIsToldOfTopicsThatAreNotGranted holds suggestions and refusals against grants.
func TestNobodyIsToldOfTopicsThatAreNotGranted(t *testing.T) {
	cluster := newCluster(t)
	grant := cluster.lets(config.Grant{Namespace: "team-a", Name: "checkout", Topics: []string{"order", "last"}}, config.Grant{Namespace: "team-a", Name: "all", Topics: []string{">"}})
	s := startJWT(t, func(c *config.Config) {
		grant(c)
		withTickets(c)
		i := &c.Auth.Subscribers.JWT.Issuers[0]
		i.Topics = append(i.Topics, "user.{sub}.x", "teams.{org}")
	})
	publish := func(account, topic string) string {
		_, body := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/topics/"+topic, "x", asBearer(cluster.token("team-a:"+account))...)
		return body
	}
	alice := asBearer(tokenOf(t, "alice", nil))
	read := func(topic string) string {
		_, body := do(t, "GET", s.url("topic="+topic), "", alice...)
		return body
	}
	ask := func(topic string) string {
		_, body := s.askTicket(`{"topics":["`+topic+`"]}`, alice...)
		return body
	}
	for name, c := range map[string]struct{ got, want, wantNo string }{
		"a publisher's undeclared topic":   {publish("checkout", "order"), "topic order is not declared: add it", "orders"},
		"one who may":                      {publish("all", "order"), "did you mean orders?", ""},
		"a publisher's mistyped topic":     {publish("checkout", "lst"), "may not publish to lst: did you mean last? it may publish to order, last: grant it more in spec.auth.publishers", "orders"},
		"nothing granted":                  {publish("nobody", "orders"), "it may publish to nothing", ""},
		"a subscriber's mistyped topic":    {read("order"), "you may not read order: did you mean orders? your token may read orders, undeclared, users.alice.>, user.alice.x; nothing is granted by teams.{org} (its claim org is missing)", ""},
		"a subscriber's own topic":         {read("users.alic.carts"), "did you mean users.alice.carts?", ""},
		"a subscriber's undeclared topic":  {read("user.alice.x"), "did you mean users.alice.x?", ""},
		"a ticket's mistyped topic":        {ask("order"), "did you mean orders?", ""},
		"a ticket's undeclared topic":      {ask("user.alice.x"), "did you mean users.alice.x?", ""},
		"another subscriber's":             {read("users.bob.x"), "you may not read users.bob.x: your token", "did you mean"},
		"a declared topic, and not theirs": {read("lst"), "you may not read lst: your token", "last"},
	} {
		if !strings.Contains(c.got, c.want) || c.wantNo != "" && strings.Contains(c.got, c.wantNo) {
			t.Errorf("%s: %s, want %q and not %q", name, c.got, c.want, c.wantNo)
		}
	}
}

// TestAMalformedTopicNamesItsEscape puts an address into a topic, on both ports.
func TestAMalformedTopicNamesItsEscape(t *testing.T) {
	s := start(t, nil)
	publish, subscribe := "http://"+s.Addrs().Publish, "http://"+s.Addrs().Subscribe
	for name, c := range map[string]struct {
		method, url, body string
		header            []string
		want              string
	}{
		"raw":              {"POST", publish + "/v1/topics/users.alice@shop.example", "x", nil, "~40"},
		"document":         {"POST", publish + "/v1/publish", `{"topic":"users.alice@shop.example","data":1}`, []string{"Content-Type", jsonType}, "~40"},
		"CloudEvent":       {"POST", publish + "/v1/cloudevents/hosts.fe80::1", "x", ce(), "~3A"},
		"subscribe":        {"GET", subscribe + "/v1/events?topic=users.alice@shop.example", "", nil, "~40"},
		"subscribe to one": {"GET", subscribe + "/v1/topics/users.alice@shop.example/events", "", nil, "~40"},
		"a slash":          {"GET", subscribe + "/v1/topics/hosts.10~2E0.0%2F8/events", "", nil, "~2F"},
		"a path":           {"POST", publish + "/v1/topics/users/alice", "x", nil, "a topic has no '/'"},
		"a path to read":   {"GET", subscribe + "/v1/topics/users/alice", "", nil, "a topic has no '/'"},
	} {
		if resp, body := do(t, c.method, c.url, c.body, c.header...); resp.StatusCode < 400 || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
}
