package hub_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/runnel-dev/runnel/hub/config"
)

const (
	jsonType  = "application/json"
	linesType = "application/x-ndjson"
)

func TestPublishForms(t *testing.T) {
	s := start(t, nil)
	c := s.read(q("topic", ">"))
	c.expect("runnel-open", "live")
	for name, p := range map[string]struct {
		path, body string
		header     []string
		want       sse
	}{
		"raw":            {"/v1/topics/orders", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, sse{data: "a=b"}},
		"raw, typed":     {"/v1/topics/orders?type=tick", "x", nil, sse{typ: "tick", data: "x"}},
		"typed, header":  {"/v1/topics/orders", "x", []string{"Event-Type", "tock"}, sse{typ: "tock", data: "x"}},
		"lines":          {"/v1/topics/orders", "a\r\nb\rc\n", nil, sse{data: "a\nb\nc\n"}},
		"empty":          {"/v1/topics/orders", "", nil, sse{}},
		"four bytes":     {"/v1/topics/orders", "😀 𝄞", nil, sse{data: "😀 𝄞"}},
		"base64":         {"/v1/topics/orders?encoding=base64", "w6\nn/AA==\n", nil, sse{data: "w6n/AA=="}},
		"json, string":   {"/v1/publish", `{"topic":"orders","data":"{ \"a\" }"}`, []string{"Content-Type", jsonType}, sse{data: `{ "a" }`}},
		"json, compact":  {"/v1/publish", `{"topic":"prices.x","type":"t","data":{ "a": [1, 2] }}`, []string{"Content-Type", jsonType + "; charset=utf-8"}, sse{typ: "t", data: `{"a":[1,2]}`}},
		"json, number":   {"/v1/publish", `{"topic":"orders","data":1.50}`, []string{"Content-Type", jsonType}, sse{data: "1.50"}},
		"json, null":     {"/v1/publish", `{"topic":"orders","data":null}`, []string{"Content-Type", jsonType}, sse{data: "null"}},
		"json, base64":   {"/v1/publish", `{"topic":"orders","dataBase64":"w6n/"}`, []string{"Content-Type", jsonType}, sse{data: "w6n/"}},
		"as large as ok": {"/v1/topics/orders", strings.Repeat("x", 4<<10), nil, sse{data: strings.Repeat("x", 4<<10)}},
	} {
		resp, body := do(t, "POST", "http://"+s.Addrs().Publish+p.path, p.body, p.header...)
		if resp.StatusCode != 200 {
			t.Fatalf("%s: %d %s", name, resp.StatusCode, body)
		}
		got, _ := c.next()
		if !strings.Contains(body, `{"id":"`+got.id+`","topic":"`) || !strings.Contains(body, `"duplicate":false}`) {
			t.Errorf("%s: answer %s for %+v", name, body, got)
		}
		got.id = ""
		if got != p.want {
			t.Errorf("%s: got %+v, want %+v", name, got, p.want)
		}
	}
	resp, _ := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/topics/orders?type=error", "")
	if resp.StatusCode != 200 || !strings.Contains(resp.Header.Get("Warning"), "onerror") {
		t.Errorf("type error: %d %v", resp.StatusCode, resp.Header)
	}
}

func TestPublishRefusals(t *testing.T) {
	s := start(t, nil)
	large := strings.Repeat("x", 4<<10+1)
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		code               string
	}{
		"get":             {"GET", "/v1/publish", "", nil, 405, "method_not_allowed"},
		"put":             {"PUT", "/v1/topics/orders", "", nil, 405, "method_not_allowed"},
		"post to list":    {"POST", "/v1/topics", "", nil, 405, "method_not_allowed"},
		"no topic":        {"POST", "/v1/topics/", "", nil, 400, "topic_malformed"},
		"below a topic":   {"POST", "/v1/topics/orders/incomplete", "", nil, 404, "not_found"},
		"elsewhere":       {"POST", "/v1/nowhere", "", nil, 404, "not_found"},
		"undeclared":      {"POST", "/v1/topics/nowhere", "x", nil, 404, "topic_not_declared"},
		"wildcard":        {"POST", "/v1/topics/prices.*", "x", nil, 400, "topic_malformed"},
		"malformed":       {"POST", "/v1/topics/a..b", "x", nil, 400, "topic_malformed"},
		"parameter":       {"POST", "/v1/topics/orders?tll=5s", "x", nil, 400, "parameter_unknown"},
		"ttl":             {"POST", "/v1/topics/orders?ttl=-5s", "x", nil, 400, "parameter_malformed"},
		"ttl, header":     {"POST", "/v1/topics/orders", "x", []string{"Event-TTL", "soon"}, 400, "parameter_malformed"},
		"id":              {"POST", "/v1/topics/orders?id=a%0Ab", "x", nil, 422, "id_refused"},
		"long id":         {"POST", "/v1/topics/orders?id=" + strings.Repeat("x", 1025), "x", nil, 422, "id_refused"},
		"key":             {"POST", "/v1/topics/orders?key=a%0Ab", "x", nil, 422, "key_refused"},
		"long key":        {"POST", "/v1/topics/orders?key=" + strings.Repeat("x", 256), "x", nil, 422, "key_refused"},
		"topic twice":     {"POST", "/v1/publish", `{"topic":"orders","topics":["last"],"data":1}`, []string{"Content-Type", jsonType}, 400, "topics"},
		"one undeclared":  {"POST", "/v1/publish", `{"topics":["orders","nowhere"],"data":1}`, []string{"Content-Type", jsonType}, 404, "topic_not_declared"},
		"one malformed":   {"POST", "/v1/publish", `{"topics":["orders","a..b"],"data":1}`, []string{"Content-Type", jsonType}, 400, "topic_malformed"},
		"many lines":      {"POST", "/v1/publish", strings.Repeat("{}\n", 1001), []string{"Content-Type", linesType}, 413, "batch_too_large"},
		"long batch":      {"POST", "/v1/publish", strings.Repeat(" ", 1<<20+1), []string{"Content-Type", linesType}, 413, "batch_too_large"},
		"encoding":        {"POST", "/v1/topics/orders?encoding=hex", "x", nil, 400, "encoding_unknown"},
		"base64":          {"POST", "/v1/topics/orders?encoding=base64", "%", nil, 400, "base64_malformed"},
		"too large":       {"POST", "/v1/topics/orders", large, nil, 413, "event_too_large"},
		"base64 large":    {"POST", "/v1/topics/orders?encoding=base64", base64.StdEncoding.EncodeToString([]byte(large)), nil, 413, "event_too_large"},
		"json large":      {"POST", "/v1/publish", `{"topic":"orders","data":"` + large + `"}`, []string{"Content-Type", jsonType}, 413, "event_too_large"},
		"not utf-8":       {"POST", "/v1/topics/orders", "\xff", nil, 415, "data_not_utf8"},
		"json not utf-8":  {"POST", "/v1/publish", "{\"topic\":\"orders\",\"data\":\"\xff\"}", []string{"Content-Type", jsonType}, 415, "data_not_utf8"},
		"content type":    {"POST", "/v1/publish", `{}`, nil, 415, "content_type"},
		"no json":         {"POST", "/v1/publish", `{`, []string{"Content-Type", jsonType}, 400, "json_malformed"},
		"unknown field":   {"POST", "/v1/publish", `{"topic":"orders","data":1,"dta":2}`, []string{"Content-Type", jsonType}, 400, "json_malformed"},
		"two documents":   {"POST", "/v1/publish", `{"topic":"orders","data":1} {}`, []string{"Content-Type", jsonType}, 400, "json_malformed"},
		"no data":         {"POST", "/v1/publish", `{"topic":"orders"}`, []string{"Content-Type", jsonType}, 400, "data_missing"},
		"data twice":      {"POST", "/v1/publish", `{"topic":"orders","data":1,"dataBase64":"eA=="}`, []string{"Content-Type", jsonType}, 400, "data_missing"},
		"line in type":    {"POST", "/v1/topics/orders?type=a%0Aid:+1", "x", nil, 422, "type_refused"},
		"reserved type":   {"POST", "/v1/topics/orders?type=runnel-open", "x", nil, 422, "type_refused"},
		"same topic":      {"POST", "/v1/publish", `{"topics":["orders","last","orders"],"data":1}`, []string{"Content-Type", jsonType}, 400, "topics"},
		"no topic in doc": {"POST", "/v1/publish", `{"data":1}`, []string{"Content-Type", jsonType}, 400, "topic_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := do(t, c.method, "http://"+s.Addrs().Publish+c.path, c.body, c.header...)
			if resp.StatusCode != c.status || !strings.Contains(body, `"code":"`+c.code+`"`) || resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	if seq := s.Status().Seq; seq != 0 {
		t.Errorf("%d refused events were stored", seq)
	}
	if got := metrics(t, s); !strings.Contains(got, `runnel_hub_publish_refused_total{code="event_too_large",status="413"} 3`) {
		t.Error(got)
	}
}

func TestSeveralTopicsAtOnce(t *testing.T) {
	s := start(t, nil)
	c := s.read(q("topic", ">"))
	c.expect("runnel-open", "live")
	resp, body := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/publish", `{"topics":["orders","last"],"id":"1","data":"both"}`, "Content-Type", jsonType)
	first, second := c.expect("", "both"), c.expect("", "both")
	want := fmt.Sprintf(`{"results":[{"id":"%s","topic":"orders","duplicate":false},{"id":"%s","topic":"last","duplicate":false}]}`+"\n", first.id, second.id)
	if resp.StatusCode != 200 || body != want {
		t.Errorf("%d %s, want %s", resp.StatusCode, body, want)
	}
}

func TestARefusalSaysInWhichTopicsTheEventIs(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Heartbeat.Interval = config.Duration(time.Minute) }) // by which the reader finds it too
	u := "http://" + s.Addrs().Publish + "/v1/"
	do(t, "POST", u+"topics/last/complete", "")
	c := s.read(q("topic", "orders"))
	c.expect("runnel-open", "live")
	resp, body := do(t, "POST", u+"publish", `{"topics":["orders","prices.a","last"],"data":1}`, "Content-Type", jsonType)
	if want := "; it is stored already in orders, prices.a"; resp.StatusCode != 409 || !strings.Contains(body, want) || s.Status().Seq != 2 {
		t.Errorf("%d %s, want %s", resp.StatusCode, body, want)
	}
	c.expect("", "1")
}

func TestSendingAgainIsHarmless(t *testing.T) {
	s := start(t, nil)
	u := "http://" + s.Addrs().Publish
	_, first := do(t, "POST", u+"/v1/topics/orders", "x", "Idempotency-Key", `"k1"`)
	for name, again := range map[string]struct {
		path, body string
		header     []string
	}{
		"quoted":    {"/v1/topics/orders", "x", []string{"Idempotency-Key", `"k1"`}},
		"bare":      {"/v1/topics/orders", "x", []string{"Idempotency-Key", "k1"}},
		"parameter": {"/v1/topics/orders?id=k1", "x", nil},
		"document":  {"/v1/publish", `{"topic":"orders","id":"k1","data":"x"}`, []string{"Content-Type", jsonType}},
	} {
		resp, body := do(t, "POST", u+again.path, again.body, again.header...)
		if want := strings.Replace(first, `"duplicate":false`, `"duplicate":true`, 1); resp.StatusCode != 200 || body != want {
			t.Errorf("%s: %d %s, want %s", name, resp.StatusCode, body, want)
		}
	}
	if resp, body := do(t, "POST", u+"/v1/topics/orders?id=k1", "y"); resp.StatusCode != 422 || !strings.Contains(body, `"code":"key_reused"`) {
		t.Errorf("another payload: %d %s", resp.StatusCode, body)
	}
	if resp, body := do(t, "POST", u+"/v1/topics/last?id=k1", "x"); resp.StatusCode != 200 || !strings.Contains(body, `"duplicate":false`) {
		t.Errorf("another topic: %d %s", resp.StatusCode, body)
	}
	if got := metrics(t, s); !strings.Contains(got, `runnel_hub_published_duplicates_total{topic="orders"} 4`) || !strings.Contains(got, `runnel_hub_published_events_total{topic="orders"} 1`) {
		t.Error(got)
	}
}

func TestBatch(t *testing.T) {
	s := start(t, nil)
	c := s.read(q("topic", ">"))
	c.expect("runnel-open", "live")
	lines := []string{
		`{"topic":"orders","data":{"n": 1},"id":"1"}`,
		`{"topic":"nowhere","data":1}`,
		`{"topic":"orders","data":{"n": 1},"id":"1"}`,
		`not json`,
		`{"topics":["orders","last"],"data":1}`,
		`{"topic":"last","type":"t","data":"end"}`,
	}
	resp, body := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/publish", strings.Join(lines, "\n")+"\n", "Content-Type", linesType)
	first, last := c.expect("", `{"n":1}`), c.expect("t", "end")
	got := strings.Split(strings.TrimSpace(body), "\n")
	for i, want := range []string{
		`{"index":0,"id":"` + first.id + `"}`, `"code":"topic_not_declared"`, `{"index":2,"id":"` + first.id + `","duplicate":true}`,
		`"code":"json_malformed"`, `"code":"topics_in_batch"`, `{"index":5,"id":"` + last.id + `"}`,
	} {
		if i >= len(got) || !strings.Contains(got[i], want) || !strings.HasPrefix(got[i], fmt.Sprintf(`{"index":%d,`, i)) {
			t.Fatalf("line %d of %q, want %s", i, got, want)
		}
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != linesType || len(got) != len(lines) {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
}

func TestTTLEndsReplayAndNotDelivery(t *testing.T) {
	s := start(t, nil)
	c := s.read(q("topic", "orders"))
	c.expect("runnel-open", "live")
	do(t, "POST", "http://"+s.Addrs().Publish+"/v1/topics/orders?ttl=300ms", "short")
	do(t, "POST", "http://"+s.Addrs().Publish+"/v1/topics/orders", "long", "Event-TTL", "3600")
	c.expect("", "short")
	c.expect("", "long")
	for { // until the time is over
		late := s.read(q("topic", "orders", "last_event_id", "earliest"))
		late.expect("runnel-open", "exact")
		e, _ := late.next()
		late.close()
		if e.data == "long" {
			return
		}
		if e.data != "short" {
			t.Fatalf("%+v", e)
		}
	}
}

// cluster signs tokens as an API server does.
type cluster struct {
	t   *testing.T
	key *ecdsa.PrivateKey
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{t, key}
}

// lets has a configuration let in ServiceAccounts of the cluster.
func (c *cluster) lets(grants ...config.Grant) func(*config.Config) {
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: c.key.Public(), KeyID: "1"}}})
	if err != nil {
		c.t.Fatal(err)
	}
	return func(into *config.Config) {
		into.Auth.Issuers = []config.Issuer{{URL: "https://cluster", Keys: keys}}
		into.Auth.Publishers = config.Publishers{ServiceAccounts: &config.ServiceAccounts{Audience: "runnel.dev/team-a/shop", Grants: grants}}
	}
}

func (c *cluster) token(account string) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: c.key, KeyID: "1"}}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: "https://cluster", Subject: "system:serviceaccount:" + account, Audience: jwt.Audience{"runnel.dev/team-a/shop"},
		IssuedAt: jwt.NewNumericDate(time.Now()), Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour)),
	}).Serialize()
	if err != nil {
		c.t.Fatal(err)
	}
	return token
}

func TestServiceAccountsPublish(t *testing.T) {
	cluster := newCluster(t)
	s := start(t, cluster.lets(config.Grant{Namespace: "team-a", Name: "checkout", Topics: []string{"orders"}}))
	u := "http://" + s.Addrs().Publish + "/v1/topics/"
	for name, c := range map[string]struct {
		topic, credential string
		status            int
		code              string
	}{
		"granted":    {"orders", "Bearer " + cluster.token("team-a:checkout"), 200, ""},
		"topic":      {"last", "Bearer " + cluster.token("team-a:checkout"), 403, "topic_not_granted"},
		"stranger":   {"orders", "Bearer " + cluster.token("team-b:checkout"), 403, "topic_not_granted"},
		"undeclared": {"nowhere", "Bearer " + cluster.token("team-b:checkout"), 403, "topic_not_granted"},
		"none":       {"orders", "", 401, "credential_missing"},
		"bad":        {"orders", "Bearer x.y.z", 401, "token_refused"},
		"cluster's":  {"orders", "Bearer " + newCluster(t).token("team-a:checkout"), 401, "token_refused"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := do(t, "POST", u+c.topic, "x", "Authorization", c.credential)
			if resp.StatusCode != c.status || !strings.Contains(body, c.code) || resp.StatusCode == 401 && resp.Header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
			}
		})
	}
}

func TestWithoutIssuerKeysPublishersAreAskedBack(t *testing.T) {
	cluster := newCluster(t)
	let := cluster.lets(config.Grant{Namespace: "team-a", Name: config.EveryAccount, Topics: []string{">"}})
	s := start(t, func(c *config.Config) {
		let(c)
		c.Auth.Issuers = nil
	})
	resp, body := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/topics/orders", "x", "Authorization", "Bearer "+cluster.token("team-a:a"))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "5" {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	if missing := s.Status().Missing; len(missing) != 1 {
		t.Errorf("status misses %v", missing)
	}
	c := base()
	let(c)
	if err := s.Reload(c); err != nil {
		t.Fatal(err)
	}
	if resp, body := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/topics/orders", "x", "Authorization", "Bearer "+cluster.token("team-a:a")); resp.StatusCode != 200 {
		t.Errorf("with keys: %d %s", resp.StatusCode, body)
	}
}
