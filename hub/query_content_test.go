package hub_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/config"
)

const formType = "application/x-www-form-urlencoded"

// ask opens a stream by a method with content.
func ask(t *testing.T, via http.RoundTripper, method, u, contentType, content string, header ...string) *reader {
	t.Helper()
	r, err := http.NewRequest(method, u, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	c, err := tryRequest(t, via, r, append(header, "Content-Type", contentType)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// byContent runs a test with each method that takes parameters as content, by each protocol, on a hub that has tickets. The caller has a token of
// its own for each method, by which two connections are let in, or any number if limited is false.
func byContent(t *testing.T, limited bool, test func(t *testing.T, s *server, events, method string, via http.RoundTripper, bearer []string)) {
	t.Helper()
	byEveryProtocol(t, func(t *testing.T, scheme string, via http.RoundTripper, ca *authority) {
		s := startCertified(t, ca, func(c *config.Config) {
			withTickets(c)
			if limited {
				c.Limits.ConnectionsPerIdentity = 2
			}
		})
		for _, method := range []string{"POST", "QUERY"} {
			t.Run(method, func(t *testing.T) {
				test(t, s, scheme+s.Addrs().Subscribe+"/v1/events", method, via, asBearer(tokenOf(t, method, nil)))
			})
		}
	})
}

// publishVia publishes by a protocol, encrypted or not.
func (s *server) publishVia(via http.RoundTripper, events, data string) (id string) {
	s.t.Helper()
	scheme, _, _ := strings.Cut(events, "//")
	r, err := http.NewRequest("POST", scheme+"//"+s.Addrs().Publish+"/v1/topics/orders", strings.NewReader(data))
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := via.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var stored struct{ ID string }
	if err := json.NewDecoder(resp.Body).Decode(&stored); err != nil || resp.StatusCode != 200 {
		s.t.Fatal(resp.Status, err)
	}
	return stored.ID
}

func TestParametersMayComeAsContent(t *testing.T) {
	byContent(t, false, func(t *testing.T, s *server, events, method string, via http.RoundTripper, bearer []string) {
		first := s.publishVia(via, events, "one")
		s.publishVia(via, events, "two")
		for _, c := range []struct{ kind, query, content, resume, topics string }{
			{formType, "", "topic=orders&topic=mine.%3E&heartbeat=30s", "live", `"heartbeatMs":30000,"topics":["orders","mine.>"]`},
			{formType + "; charset=UTF-8", "", "topic=orders&a;b=1&%", "live", `"topics":["orders"],"ignored":["a;b","%"]`},
			{formType, "?topic=mine.x&padding=true", "topic=orders", "live", `"topics":["orders","mine.x"]`},
			{formType, "?topic=orders", "", "live", `"topics":["orders"]`},
			{jsonType, "?topic=orders", "", "live", `"topics":["orders"]`},
			{"", "?topic=orders", "", "live", `"topics":["orders"]`},
			{jsonType, "", `{"topic":"orders"}`, "live", `"topics":["orders"]`},
			{jsonType + "; charset=utf-8", "", "\ufeff" + `{"topic":["orders","mine.x"],"heartbeat":30,"padding":true,"since":null,"x":{"y":[]},"z":1}`, "live", `"heartbeatMs":30000,"topics":["orders","mine.x"],"ignored":["x","z"]`},
			{jsonType, "", `{"topic":"orders","last_event_id":"` + first + `"}`, "exact", ""},
			{jsonType, "", `{"topic":"orders","last_event_id":"` + first + `","lastEventId":"earliest"}`, "exact", ""},
			{formType, "?lastEventId=" + first, "topic=orders&last_event_id=earliest", "exact", ""},
		} {
			own := strings.NewReplacer("mine", "users."+method)
			query, content, topics := own.Replace(c.query), own.Replace(c.content), own.Replace(c.topics)
			r := ask(t, via, method, events+query, c.kind, content, bearer...)
			open, ok := r.next()
			if !ok || open.typ == "" && open.data == "" {
				open, ok = r.next() // after the padding
			}
			if !ok || open.typ != "runnel-open" || !strings.Contains(open.data, `"resume":"`+c.resume+`"`) || !strings.Contains(open.data, topics) {
				t.Errorf("%s %s: %d %+v, want %s %s", query, content, r.resp.StatusCode, open, c.resume, topics)
			}
			if c.resume == "exact" {
				r.expect("", "two")
			}
			r.close()
		}
		live := ask(t, via, method, events, jsonType, `{"topic":"orders","last_event_id":"earliest"}`, append(slices.Clone(bearer), "Last-Event-ID", first)...)
		live.expect("runnel-open", "exact")
		live.expect("", "two")
		s.publishVia(via, events, "three")
		live.expect("", "three")
	})
}

func TestAsManyTopicsAsThereMayBeFitIntoContent(t *testing.T) {
	byContent(t, false, func(t *testing.T, s *server, events, method string, via http.RoundTripper, bearer []string) {
		var topics []string
		for i := range 64 {
			topics = append(topics, fmt.Sprintf("users.%s.%0240d", method, i))
		}
		list, err := json.Marshal(map[string]any{"topic": topics})
		if err != nil {
			t.Fatal(err)
		}
		for kind, content := range map[string]string{formType: url.Values{"topic": topics}.Encode(), jsonType: string(list)} {
			r := ask(t, via, method, events, kind, content, bearer...)
			r.expect("runnel-open", topics[63])
			r.close()
		}
	})
}

func TestContentIsAdmittedAndRefusedAsAQueryIs(t *testing.T) {
	byContent(t, true, func(t *testing.T, s *server, events, method string, via http.RoundTripper, bearer []string) {
		ticket := s.ticketVia(via, events, bearer)
		for range 2 {
			ask(t, via, method, events, formType, "topic=orders&ticket="+ticket).expect("runnel-open", "live")
		}
		third := ask(t, via, method, events, jsonType, `{"topic":"orders"}`, bearer...)
		third.expect("runnel-close", "overloaded")
		third.ends()
		resp, body := send(t, via, method, events, `{"topic":"orders"}`, append(slices.Clone(bearer), "Content-Type", jsonType, "Accept", "application/x-ndjson")...)
		if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s", resp.Status, body)
		}
	})
}

// ticketVia asks for a ticket by a protocol.
func (s *server) ticketVia(via http.RoundTripper, events string, header []string) string {
	s.t.Helper()
	r, err := http.NewRequest("POST", strings.Replace(events, "/v1/events", "/v1/tickets", 1), strings.NewReader(`{"topics":["orders"]}`))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set(header[0], header[1])
	resp, err := via.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var made struct{ Ticket string }
	if err := json.NewDecoder(resp.Body).Decode(&made); err != nil || made.Ticket == "" {
		s.t.Fatal(resp.Status, err)
	}
	return made.Ticket
}

func TestContentThatIsRefused(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = io.WriteString(z, "topic=orders&x="+strings.Repeat("x", 1<<20))
	_ = z.Close()
	byContent(t, false, func(t *testing.T, _ *server, events, method string, via http.RoundTripper, bearer []string) {
		for name, c := range map[string]struct {
			kind, content string
			header        []string
			status        int
			text          string
		}{
			"text":            {"text/plain;charset=UTF-8", "topic=orders", nil, 415, "content_type"},
			"of no type":      {"", "topic=orders", nil, 415, "content_type"},
			"of several":      {"multipart/form-data; boundary=x", "--x--", nil, 415, "content_type"},
			"lines":           {linesType, `{"topic":"orders"}`, nil, 415, "content_type"},
			"brotli":          {formType, "topic=orders", []string{"Content-Encoding", "br"}, 415, "coding_unknown"},
			"large":           {formType, "topic=orders&x=" + strings.Repeat("x", 64<<10), nil, 413, "body_too_large"},
			"a bomb":          {formType, bomb.String(), []string{"Content-Encoding", "gzip"}, 413, "body_too_large"},
			"no JSON":         {jsonType, "topic=orders", nil, 400, "body_malformed"},
			"a list":          {jsonType, `["orders"]`, nil, 400, "it is not a JSON object"},
			"null":            {jsonType, `null`, nil, 400, "it is not a JSON object"},
			"two":             {jsonType, `{"topic":"orders"}{}`, nil, 400, "body_malformed"},
			"half":            {jsonType, `{"topic":"orders"`, nil, 400, "body_malformed"},
			"half a pair":     {jsonType, `{"topic":"orders","x":"\ud83d"}`, nil, 400, "half of a character"},
			"an object":       {jsonType, `{"topic":{"name":"orders"}}`, nil, 400, "topic is neither a string"},
			"a list of lists": {jsonType, `{"topic":[["orders"]]}`, nil, 400, "topic is neither a string"},
			"no topic":        {jsonType, `{"topics":["orders"]}`, nil, 400, `{\"topic\":[\"a\",\"b.*\"]}`},
			"nothing":         {"", "", nil, 400, "topic_missing"},
			"malformed":       {jsonType, `{"topic":"orders","replay":"all"}`, nil, 400, "parameter_malformed"},
			"many topics":     {formType, strings.Repeat("topic=a&", 65), nil, 400, "too_many_topics"},
			"no credential":   {formType, "topic=orders", []string{"Authorization", ""}, 401, "credential_missing"},
			"not granted":     {formType, "topic=last", nil, 403, "topic_not_granted"},
			"another origin":  {formType, "topic=orders", []string{"Origin", "https://evil.example"}, 403, "origin_not_allowed"},
			"nothing for it":  {formType, "topic=orders", []string{"Accept", "text/html"}, 406, "not_acceptable"},
		} {
			header := append(slices.Clone(bearer), "Content-Type", c.kind)
			resp, body := send(t, via, method, events, c.content, append(header, c.header...)...)
			if resp.StatusCode != c.status || !strings.Contains(body, c.text) || resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %s %v %s, want %d %s", name, resp.Status, resp.Header, body, c.status, c.text)
			}
			if accepted := resp.Header.Get("Accept-Query"); c.text == "content_type" && (accepted != formType+", "+jsonType || resp.Header.Get("Accept-Post") != accepted) {
				t.Errorf("%s: %v", name, resp.Header)
			}
		}
	})
}

func TestAPageMaySendContent(t *testing.T) {
	s := startJWT(t, withTickets)
	for path, want := range map[string]string{"/v1/events": "GET, HEAD, POST, QUERY", "/v1/topics/orders/events": "GET, HEAD"} {
		u := "http://" + s.Addrs().Subscribe + path
		resp, _ := do(t, "OPTIONS", u, "", "Origin", page, "Access-Control-Request-Method", "QUERY", "Access-Control-Request-Headers", "content-type")
		if got := resp.Header; resp.StatusCode != 204 || got.Get("Access-Control-Allow-Methods") != want || !strings.Contains(strings.ToLower(got.Get("Access-Control-Allow-Headers")), "content-type") || got.Get("Access-Control-Allow-Origin") != page {
			t.Errorf("%s: %s %v", path, resp.Status, got)
		}
		resp, _ = do(t, "DELETE", u, "")
		if got := resp.Header.Get("Allow"); resp.StatusCode != 405 || got != want+", OPTIONS" {
			t.Errorf("%s: %s, Allow %s", path, resp.Status, got)
		}
	}
	r := ask(t, http.DefaultTransport, "QUERY", s.url(""), formType, "topic=orders", append(asBearer(tokenOf(t, "alice", nil)), "Origin", page)...)
	if got := r.resp.Header.Get("Access-Control-Allow-Origin"); got != page {
		t.Errorf("%v", r.resp.Header)
	}
	r.expect("runnel-open", "live")
}

// TestWhatFollowsContentIsThrownAway sends more than the request, which the server has read already.
func TestWhatFollowsContentIsThrownAway(t *testing.T) {
	s := start(t, nil)
	for name, text := range map[string]string{
		"a length": "Content-Length: 12\r\n\r\ntopic=orders", "chunks": "Transfer-Encoding: chunked\r\n\r\n6\r\ntopic=\r\n6\r\norders\r\n0\r\n\r\n",
		"on demand": "Expect: 100-continue\r\nContent-Length: 12\r\n\r\ntopic=orders", "HTTP/1.0": "Content-Length: 12\r\n\r\ntopic=orders",
	} {
		version := "HTTP/1.1"
		if name == "HTTP/1.0" {
			version = name
		}
		r, _ := raw(t, s.Addrs().Subscribe, "POST /v1/events "+version+"\r\nHost: hub\r\nContent-Type: "+formType+"\r\n"+text+"GET / HTTP/1.1\r\n\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err == nil && resp.StatusCode == http.StatusContinue {
			resp, err = http.ReadResponse(r, nil)
		}
		if err != nil {
			t.Fatal(name, err)
		}
		answered(t, resp, 200, "event: runnel-open")
	}
	live := ask(t, http.DefaultTransport, "POST", s.url(""), formType, "topic=orders")
	live.expect("runnel-open", "live")
	go s.end()
	live.expect("runnel-close", "drain")
	live.ends()
}
