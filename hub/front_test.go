package hub_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

// post is a request that ends its connection.
func post(target, body string, header ...string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s", target, len(body), strings.Join(append(header, ""), "\r\n"), body)
}

// stays is a request that does not.
func stays(target, body string, header ...string) string {
	return strings.Replace(post(target, body, header...), "Connection: close\r\n", "", 1)
}

// TestPublishersGetTheSameAnswersEitherWay sends the same requests to a hub that answers publishers in a loop and to one that leaves all
// to net/http.
func TestPublishersGetTheSameAnswersEitherWay(t *testing.T) {
	cluster := newCluster(t)
	token := "Authorization: Bearer " + cluster.token("team-a:checkout")
	granted := cluster.lets(config.Grant{Namespace: "team-a", Name: "checkout", Topics: []string{"orders"}})
	json := "Content-Type: application/json"
	last := post("/v1/topics/orders", "last")
	then := func(text string) string { return text + last }
	for name, c := range map[string]struct {
		change   func(*config.Config)
		requests []string
	}{
		"anybody": {nil, []string{
			post("/v1/topics/orders", "x"),
			post("/v1/topics/orders", ""),
			post("/v1/topics/orders", "a\r\nb\rc\n", "Content-Type: application/x-www-form-urlencoded"),
			post("/v1/topics/orders", "😀"),
			post("/v1/topics/orders", "\xff"),
			post("/v1/topics/orders", strings.Repeat("x", 4<<10)),
			post("/v1/topics/orders", strings.Repeat("x", 4<<10+1)),
			post("/v1/topics/orders", strings.Repeat("x", 70_000)),
			post("/v1/topics/orders?type=tick&id=1&ttl=5s&key=k", "x"),
			post("/v1/topics/orders?type=tick&id=1&ttl=5s&key=k", "x"),
			post("/v1/topics/orders?id=1", "another"),
			post("/v1/topics/orders", "x", `Idempotency-Key: "2"`, "Event-Type: t", "Event-TTL: 60"),
			post("/v1/topics/orders", "x", "idempotency-key: 2", "event-type: t"),
			post("/v1/topics/orders", "x", "Event-TTL: soon"),
			post("/v1/topics/orders", "x", "Event-Type: one", "Event-Type: two"),
			post("/v1/topics/orders", "x", "Event-Type:  \tspaced\t "),
			post("/v1/topics/orders", "x", "Event-Type: ä"),
			post("/v1/topics/orders?type=error", "x"),
			post("/v1/topics/orders?type=open", "x"),
			post("/v1/topics/orders?type=runnel-open", "x"),
			post("/v1/topics/orders?type=a%0Ab", "x"),
			post("/v1/topics/orders?type=%C3%A4+b", "x"),
			post("/v1/topics/orders?type=%zz", "x"),
			post("/v1/topics/orders?a;b", "x"),
			post("/v1/topics/orders?tll=5s", "x"),
			post("/v1/topics/orders?ttl=-5s", "x"),
			post("/v1/topics/orders?type=a;b&key=100%&id=%zz&ttl=1h30m", "x"),
			post("/v1/topics/orders?type=<a>&key=\u00e9&&=", "x"),
			post("/v1/topics/orders?key=\u00e9&type=\"a\"", "x"),
			post("/v1/topics/orders?key=%ff", "x"),
			post("/v1/topics/orders?a;type=1", "x"),
			post("/v1/topics/orders?id=%20", "x"),
			post("/v1/topics/orders?key="+strings.Repeat("k", 300), "x"),
			post("/v1/topics/orders?encoding=base64", "w6n/AA==\n"),
			post("/v1/topics/orders?encoding=base64", "%"),
			post("/v1/topics/orders?encoding=hex", "00"),
			post("/v1/topics/orders?", "x"),
			post("/v1/topics/orders??type=x", "x"),
			post("/v1/topics/orders#x", "x"),
			post("/v1/topics/nowhere", "x"),
			post("/v1/topics/prices.eur", "x"),
			post("/v1/topics/prices.*", "x"),
			post("/v1/topics/a..b", "x"),
			post("/v1/topics/.", "x"),
			post("/v1/topics/", "x"),
			post("/v1/topics", "x"),
			post("/v1/topics/%6Frders", "x"),
			post("/v1/topics/orders/", "x"),
			post("/v1//topics/orders", "x"),
			post("/v1/./topics/orders", "x"),
			post("http://hub/v1/topics/orders", "x"),
			post("/v1/publish", `{"topic":"orders","data":1}`, json),
			post("/v1/publish?type=tick", `{"topic":"orders","type":"error","id":"3","ttl":"5s","key":"k","data":{ "a": "\n" }}`, json),
			post("/v1/publish", `{"topic":"orders","type":"error","id":"3","ttl":"5s","key":"k","data":{ "a": "\n" }}`, json),
			post("/v1/publish", `{"topic":"orders","id":"3","data":"another"}`, json),
			post("/v1/publish", `{"topic":"orders","data":1}`, "content-type:  APPLICATION/json ; charset=utf-8"),
			post("/v1/publish", `{"topic":"orders","data":1}`, "Content-Type: application/json; charset"),
			post("/v1/publish", `{"topic":"orders","data":1}`, "Content-Type: application/jsonp"),
			post("/v1/publish", `{"topic":"orders","data":1}`),
			post("/v1/publish", `{"topics":["orders","prices.eur"],"data":1}`, json),
			post("/v1/publish", `{"topic":"orders","dataBase64":"w6n/AA=="}`, json),
			post("/v1/publish", `{"topic":"orders","data":"`+strings.Repeat("x", 4<<10)+`"}`, json),
			post("/v1/publish", `{"topic":"orders","data":"`+strings.Repeat("x", 4<<10+1)+`"}`, json),
			post("/v1/publish", `{"topic":"nowhere","data":1}`, json),
			post("/v1/publish", `{"topic":"a..b","data":1}`, json),
			post("/v1/publish", `{"topic":"orders","type":"runnel-open","data":1}`, json),
			post("/v1/publish", `{"topic":"orders","data":1} {}`, json),
			post("/v1/publish", "", json),
			post("/v1/publish/", `{"topic":"orders","data":1}`, json),
			post("/v1/publish", "{\"topic\":\"orders\",\"data\":1}\n{}\n", "Content-Type: application/x-ndjson"),
			post("/v1/cloudevents/orders", "x", "Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: /", "Ce-Type: t"),
			post("/v1/topics/last/complete", ""),
			post("/v1/topics/last", "late"),
			then(strings.Replace(stays("/v1/topics/orders", "x"), "POST", "PUT", 1)),
			then("GET /v1/topics/orders HTTP/1.1\r\nHost: hub\r\n\r\n"),
			then("GET /v1/nowhere HTTP/1.1\r\nHost: hub\r\n\r\n"),
			then("POST /v1/topics/orders HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
			then("POST /v1/topics/orders HTTP/1.1\r\nHost: hub\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"),
			then("POST /v1/topics/orders HTTP/1.1\nHost: hub\nContent-Length: 1\n\nx"),
			then("POST /v1/topics/orders HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"),
			then("POST /v1/topics/orders HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"),
			then("POST /v1/topics/orders HTTP/1.1\r\nHost: hub\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
			then("POST /v1/topics/orders HTTP/1.1\r\nHost: hub\r\nContent-Length: 01\r\n\r\nx"),
			then("POST /v1/topics/orders HTTP/1.1\r\nHost: hub\r\n folded: x\r\nContent-Length: 1\r\n\r\nx"),
			then("POST /v1/topics/orders HTTP/1.1\r\nHost: hub\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 1\r\n\r\nx"),
			then(stays("/v1/topics/orders", "one") + stays("/v1/topics/orders?type=error", "two") + "\r\n" + stays("/v1/topics/nowhere", "three") + stays("/v1/topics/orders", "four")),
			then(stays("/v1/topics/orders", "one") + stays("/v1/publish", `{"topic":"orders","data":1}`, "Content-Type: application/json") + stays("/v1/topics/orders", "three")),
			then(stays("/v1/topics/nowhere", "x")),
			then(stays("/v1/topics/orders", "\xff")),
			then("nonsense\r\n\r\n"),
			then(strings.Repeat("x", 100_000)),
			"POST /v1/topics/orders HTTP/1.1\r\nHost: hub\r\nContent-Length: 9\r\n\r\nhalf",
			"POST /v1/topics/orders HTTP/1.1\r\nHost: h",
		}},
		"some": {granted, []string{
			post("/v1/topics/orders", "x", token),
			post("/v1/topics/orders", "x", strings.ToLower(token[:len("Authorization: Bearer")])+token[len("Authorization: Bearer"):]),
			post("/v1/topics/orders", "x", token, "Authorization: Bearer another"),
			post("/v1/topics/orders", "x", "Authorization: Bearer another", token),
			post("/v1/topics/orders", "x"),
			post("/v1/topics/orders", "x", "Authorization: Basic eDp5"),
			post("/v1/topics/orders", "x", token+"x"),
			post("/v1/topics/last", "x", token),
			post("/v1/topics/nowhere", "x", token),
			post("/v1/publish", `{"topic":"orders","data":1}`, json, token),
			post("/v1/publish", `{"topic":"last","data":1}`, json, token),
			post("/v1/publish", `{"topic":"orders","data":1}`, json),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := startWith(t, hub.Options{}, c.change), startWith(t, hub.Options{Portable: true}, c.change)
			for _, request := range c.requests {
				got, want := exchange(t, ours, request), exchange(t, theirs, request)
				if got != want {
					t.Errorf("%.200q:\n%q, want\n%q", request, got, want)
				}
				if got, want := ours.Status().Seq, theirs.Status().Seq; got != want {
					t.Fatalf("%.200q: %d events are stored, not %d", request, got, want)
				}
			}
			counters := regexp.MustCompile(`(?m)^runnel_hub_publish.*$`)
			if got, want := fmt.Sprint(counters.FindAllString(metrics(t, ours), -1)), fmt.Sprint(counters.FindAllString(metrics(t, theirs), -1)); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

var (
	dates  = regexp.MustCompile(`Date: [^\r]*`)
	epochs = regexp.MustCompile(`[0-9a-z]{8}-(\d+)`)
)

// exchange is all that a hub answers to a client that sends something and then no more, but for the time and the epoch.
func exchange(t *testing.T, s *server, request string) string {
	t.Helper()
	r, c := raw(t, s.Addrs().Publish, request)
	_ = c.(interface{ CloseWrite() error }).CloseWrite() // the hub may have ended the connection
	b, err := io.ReadAll(r)
	if errors.Is(err, os.ErrDeadlineExceeded) { // other errors are of a hub that has not read everything
		t.Error(err)
	}
	return epochs.ReplaceAllString(dates.ReplaceAllString(string(b), "Date: then"), "epoch-$1")
}
