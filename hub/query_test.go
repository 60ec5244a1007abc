package hub_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

// queries are of any kind. The first loop that reads a request takes some of them, and leaves others to net/http.
var queries = map[string]string{
	"topic=orders":                      `"topics":["orders"]}`,
	"topic=orders&x;y=1;2&utm=100%&_=1": `"topics":["orders"],"ignored":["x;y","utm","_"]}`,
	"&&topic=orders&&%zz&=&":            `"topics":["orders"],"ignored":["%zz",""]}`,
	"topic=%6Frders&%&%4":               `"topics":["orders"],"ignored":["%","%4"]}`,
	"topic=orders&<\"{^`}\\>=#":         "\"topics\":[\"orders\"],\"ignored\":[\"<\\\"{^`}\\\\>\"]}",
	"topic=orders&ol\xc3\xa9=1&%ff=2":   `"topics":["orders"],"ignored":["olé",` + "\"\ufffd\"]}",
	"topic=orders&%0a%0Ddata:%20x":      `"topics":["orders"],"ignored":["\n\rdata: x"]}`,
	"topic=orders&Topic=last&TOPICS=a":  `"topics":["orders"],"ignored":["Topic","TOPICS"]}`,
	"topic=orders&ticket=t&since=30m":   `"topics":["orders"]}`,
}

// clientsOf are a client of the fast path, where there is one, one of net/http and one of HTTP/2.
func clientsOf(t *testing.T, change func(*config.Config)) map[string]func(query string, header ...string) *reader {
	t.Helper()
	fast, slow := startWith(t, hub.Options{}, change), startWith(t, hub.Options{Portable: true}, change)
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	via := &http.Transport{Protocols: protocols}
	t.Cleanup(via.CloseIdleConnections)
	return map[string]func(string, ...string) *reader{
		"fast":     fast.read,
		"net/http": slow.read,
		"HTTP/2": func(query string, header ...string) *reader {
			return open(t, via, fast.url(query), header...)
		},
	}
}

func TestQueriesAreReadAsFormsAndListWhatIsIgnored(t *testing.T) {
	for name, read := range clientsOf(t, nil) {
		for query, want := range queries {
			t.Run(fmt.Sprintf("%s %q", name, query), func(t *testing.T) {
				c := read(query)
				if e, _ := c.next(); e.typ != "runnel-open" || !strings.HasSuffix(e.data, want) {
					t.Errorf("%d %+v, want %s", c.resp.StatusCode, e, want)
				}
				c.close()
			})
		}
	}
}

func TestATopicInThePathStandsForThoseOfTheQuery(t *testing.T) {
	s := start(t, nil)
	c := open(t, http.DefaultTransport, "http://"+s.Addrs().Subscribe+"/v1/topics/orders/events?topic=last&topic=a..b")
	c.expect("runnel-open", `"topics":["orders"],"ignored":["topic"]}`)
}

func TestIgnoredParametersAreListedInJSONLinesAndBounded(t *testing.T) {
	s := start(t, nil)
	_, next := readLines(t, s, "topic=orders&"+strings.Repeat("x", 1000)+"&"+strings.Repeat("a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q&r&", 50))
	ignored, _ := next()["data"].(map[string]any)["ignored"].([]any)
	if len(ignored) != 16 || len(ignored[0].(string)) > 70 {
		t.Errorf("%v", ignored)
	}
}

func TestOneFormOfDurationsForAllParameters(t *testing.T) {
	s := start(t, nil)
	publish := "http://" + s.Addrs().Publish
	ask := map[string]func(duration string) (status int, body string){
		"heartbeat": func(d string) (int, string) { return head(t, s, "topic=orders&heartbeat="+d) },
		"flush":     func(d string) (int, string) { return head(t, s, "topic=orders&flush="+d) },
		"since":     func(d string) (int, string) { return head(t, s, "topic=orders&since="+d) },
		"ttl": func(d string) (int, string) {
			resp, body := do(t, "POST", publish+"/v1/topics/orders?ttl="+d, "x")
			return resp.StatusCode, body
		},
		"Event-TTL": func(d string) (int, string) {
			resp, body := do(t, "POST", publish+"/v1/topics/orders", "x", "Event-TTL", d)
			return resp.StatusCode, body
		},
		"ttl of a document": func(d string) (int, string) {
			resp, body := do(t, "POST", publish+"/v1/publish", `{"topic":"orders","ttl":"`+d+`","data":1}`, "Content-Type", "application/json")
			return resp.StatusCode, body
		},
	}
	for duration, want := range map[string]int{"30s": 200, "1h30m": 200, "500ms": 200, "1.5h": 200, "45": 200, "soon": 400, "-1s": 400, "1m30": 400, "5 s": 400} {
		for name, asked := range ask {
			if name != "Event-TTL" && name != "ttl of a document" {
				duration = strings.ReplaceAll(duration, " ", "+")
			}
			if status, body := asked(duration); status != want {
				t.Errorf("%s=%s: %d %s", name, duration, status, body)
			}
		}
	}
	if status, _ := head(t, s, "topic=orders&since=1767225600"); status != 400 {
		t.Errorf("a time since 1970: %d", status)
	}
}

// head asks whether a subscriber would be let in.
func head(t *testing.T, s *server, query string) (status int, body string) {
	t.Helper()
	resp, body := do(t, "HEAD", s.url(query), "")
	return resp.StatusCode, body
}

func TestQueriesOfPublishersAreReadAsForms(t *testing.T) {
	s := start(t, nil)
	c := s.read("topic=orders")
	c.expect("runnel-open", "live")
	publish := "http://" + s.Addrs().Publish
	if resp, body := do(t, "POST", publish+"/v1/topics/orders?type=a;b+%zz&key=100%", "x"); resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	c.expect("a;b %zz", "x")
	if resp, body := do(t, "POST", publish+"/v1/topics/orders?a;b=1", "x"); resp.StatusCode != 400 || !strings.Contains(body, "parameter `a;b` is not known: write type, id, ttl, key or encoding") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp, body := do(t, "GET", publish+"/v1/topics?limit=1&x;y=%", ""); resp.StatusCode != 200 || !strings.Contains(body, `"after":"last"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}
