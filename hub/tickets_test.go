package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

const page = "https://shop.example"

func withTickets(c *config.Config) {
	c.CORS.AllowedOrigins = []string{page, "https://other.example"}
	c.Auth.Subscribers.JWT.Tickets = secretOf("tickets")
}

func (s *server) askTicket(body string, header ...string) (*http.Response, string) {
	s.t.Helper()
	return do(s.t, "POST", "http://"+s.Addrs().Subscribe+"/v1/tickets", body, header...)
}

// ticket gets one for alice.
func (s *server) ticket(body string, header ...string) string {
	s.t.Helper()
	expires := time.Now().Add(time.Hour).Unix()
	resp, answer := s.askTicket(body, append(header, asBearer(tokenOf(s.t, "alice", map[string]any{"exp": expires}))...)...)
	var got struct {
		Ticket            string
		ExpiresAt         time.Time
		OpenWithinSeconds int
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil || resp.StatusCode != 200 || got.OpenWithinSeconds != 60 ||
		!strings.HasPrefix(resp.Header.Get("Cache-Control"), "no-store") || got.ExpiresAt.Unix() != expires {
		s.t.Fatalf("%d %s %v", resp.StatusCode, answer, resp.Header)
	}
	return got.Ticket
}

func TestATicketOpensAStreamWithoutHeaders(t *testing.T) {
	s := startJWT(t, withTickets)
	ticket := s.ticket(`{"topics":["orders","users.alice.>"]}`)
	c := s.read("topic=orders&topic=users.alice.x&ticket=" + ticket)
	c.expect("runnel-open", "live")
	s.publish("users.alice.x", "mine")
	c.expect("", "mine")
	for query, want := range map[string]string{
		"topic=undeclared":    `you may not read undeclared: your ticket is for orders, users.alice.>: ask POST /v1/tickets for a ticket that holds it`,
		"topic=users.bob.x":   `you may not read users.bob.x`,
		"topic=users.alice.>": ``,
	} {
		if want == "" {
			s.read(query+"&ticket="+ticket).expect("runnel-open", "live")
			continue
		}
		if resp, body := do(t, "GET", s.url(query+"&ticket="+ticket), ""); resp.StatusCode != 403 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", query, resp.StatusCode, body)
		}
	}
	resp, body := do(t, "GET", s.url("topic=orders&ticket="+ticket+"x"), "")
	if resp.StatusCode != 401 || !strings.Contains(body, `"ticket_refused"`) || strings.Contains(body, ticket) || !strings.Contains(resp.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("%d %s %v", resp.StatusCode, body, resp.Header)
	}
}

func TestATicketOpensAgainAtAnyHubOfItsStream(t *testing.T) {
	clock := newClock()
	clocked := hub.Options{}.WithClock(clock.now)
	s, other := startJWTWith(t, clocked, withTickets), startJWTWith(t, clocked, withTickets)
	stranger := startJWTWith(t, clocked, func(c *config.Config) { withTickets(c); c.Stream.Name = "blog" })
	ticket := s.ticket(`{"topics":["orders"]}`)
	url := "topic=orders&ticket=" + ticket
	s.read(url).expect("runnel-open", "live")
	other.read(url).expect("runnel-open", "live")
	if resp, _ := do(t, "GET", stranger.url(url), ""); resp.StatusCode != 401 {
		t.Errorf("another stream: %d", resp.StatusCode)
	}
	clock.advance(59 * time.Minute)
	for _, query := range []string{url, url + "&last_event_id=earliest", url + "&lastEventId=", url + "&last_event_id=earliest&lastEventID=earliest"} {
		if resp, body := do(t, "GET", s.url(query), ""); resp.StatusCode != 401 || !strings.Contains(body, "Last-Event-ID") {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	}
	other.read(url, "Last-Event-ID", "k3f9a2xq-1").expect("runnel-open", "reset")
	for _, name := range []string{"last_event_id", "lastEventId", "lastEventID", "last-event-id"} {
		other.read("last_event_id=earliest&"+url+"&"+name+"=k3f9a2xq-1").expect("runnel-open", "reset")
	}
	clock.advance(time.Hour)
	if resp, body := do(t, "GET", other.url(url), "", "Last-Event-ID", "k3f9a2xq-1"); resp.StatusCode != 401 || !strings.Contains(body, "expired") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp, body := do(t, "GET", other.url(url+"&lastEventId=k3f9a2xq-1"), ""); resp.StatusCode != 401 || !strings.Contains(body, "expired") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// clock stands still until a test puts it forward.
type clock struct {
	began time.Time
	by    atomic.Int64
}

func newClock() *clock { return &clock{began: time.Now()} }

func (c *clock) now() time.Time          { return c.began.Add(time.Duration(c.by.Load())) }
func (c *clock) advance(d time.Duration) { c.by.Add(int64(d)) }

// A page that is turned away has no cursor to come back with, however long that lasts.
func TestATicketOpensLateForThoseWhoWereTurnedAway(t *testing.T) {
	const step = 20 * time.Second // a reader is told to come back within 4 s
	clock := newClock()
	full := func(c *config.Config) { withTickets(c); c.Limits.ConnectionsPerHub = 1 }
	s := startJWTWith(t, hub.Options{}.WithClock(clock.now), full)
	s.read("topic=orders", asBearer(tokenOf(t, "bob", nil))...).expect("runnel-open", "live")
	url := func(ticket string) string { return "topic=orders&ticket=" + ticket }
	refused := func(name, ticket, want string) {
		t.Helper()
		if resp, body := do(t, "GET", s.url(url(ticket)), ""); resp.StatusCode != 401 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	old := s.ticket(`{"topics":["orders"]}`)
	clock.advance(3*step + time.Second)
	refused("never used", old, "within 1m0s")
	ticket := s.ticket(`{"topics":["orders"]}`)
	_, answer := s.askTicket(`{"topics":["orders"]}`, asBearer(tokenOf(t, "alice", map[string]any{"exp": clock.now().Add(time.Minute).Unix()}))...)
	short := strings.Split(answer, `"`)[3]
	clock.advance(2 * step)
	for range 5 {
		s.read(url(ticket)).expect("runnel-close", `"overloaded"`)
		refused("of long before", old, "within 1m0s")
		clock.advance(step)
	}
	refused("as long as its token", short, "expired")

	roomy := base()
	byJWT(roomy)
	withTickets(roomy)
	if err := s.Reload(roomy); err != nil {
		t.Fatal(err)
	}
	s.read(url(ticket)).expect("runnel-open", "live")
	refused("of long before", old, "within 1m0s")
	clock.advance(step)
	refused("long after", ticket, "within 1m0s")
	s.read(url(ticket), "Last-Event-ID", "k3f9a2xq-1").expect("runnel-open", "reset")
}

func TestATicketIsForThePagesOfOneOrigin(t *testing.T) {
	s := startJWT(t, withTickets)
	for name, ticket := range map[string]string{
		"named":               s.ticket(`{"topics":["orders"],"origin":"` + page + `"}`),
		"of the page":         s.ticket(`{"topics":["orders"]}`, "Origin", page),
		"with its port":       s.ticket(`{"topics":["orders"],"origin":"HTTPS://shop.example:443"}`),
		"named by other page": s.ticket(`{"topics":["orders"],"origin":"`+page+`"}`, "Origin", "https://other.example"),
	} {
		url := "topic=orders&ticket=" + ticket
		s.read(url, "Origin", page).expect("runnel-open", "live")
		s.read(url).expect("runnel-open", "live") // as a browser asks its own origin
		if resp, body := do(t, "GET", s.url(url), "", "Origin", "https://other.example"); resp.StatusCode != 403 || !strings.Contains(body, `"origin_not_allowed"`) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
}

func TestTicketRequests(t *testing.T) {
	s := startJWT(t, func(c *config.Config) { withTickets(c); c.Auth.Subscribers.JWT.Cookie = "session" })
	alice := tokenOf(t, "alice", nil)
	var long []string
	for text := noise(64 * 150); len(text) > 0; text = text[150:] {
		long = append(long, `"users.alice.`+text[:150]+`"`)
	}
	for name, c := range map[string]struct {
		body   string
		header []string
		status int
		want   string
	}{
		"no token":         {`{"topics":["orders"]}`, nil, 401, "credential_missing"},
		"a cookie":         {`{"topics":["orders"]}`, []string{"Cookie", "session=" + alice}, 401, "a ticket is made by the Authorization header alone"},
		"a proxy's":        {`{"topics":["orders"]}`, []string{"Authorization", "Basic eDp5"}, 401, "a ticket is made by the Authorization header alone"},
		"a bad token":      {`{"topics":["orders"]}`, asBearer("x"), 401, "token_refused"},
		"no topics":        {`{}`, asBearer(alice), 400, "topic_missing"},
		"malformed topic":  {`{"topics":["a..b"]}`, asBearer(alice), 400, "topic_malformed"},
		"many topics":      {`{"topics":["a"` + strings.Repeat(`,"a"`, 64) + `]}`, asBearer(alice), 400, "too_many_topics"},
		"not granted":      {`{"topics":["orders","last"]}`, asBearer(alice), 403, "topic_not_granted"},
		"not declared":     {`{"topics":["undeclared"]}`, asBearer(alice), 404, "topic_not_declared"},
		"no JSON":          {`orders`, asBearer(alice), 400, "body_malformed"},
		"nothing":          {``, asBearer(alice), 400, "body_malformed"},
		"unknown field":    {`{"topics":["orders"],"ttl":"1h"}`, asBearer(alice), 400, `unknown field \"ttl\"`},
		"two documents":    {`{"topics":["orders"]}{}`, asBearer(alice), 400, "body_malformed"},
		"not UTF-8":        {"{\"topics\":[\"orders\"],\"origin\":\"https://\xff.example\"}", asBearer(alice), 400, `it is not UTF-8`},
		"half a character": {`{"topics":["orders"],"origin":"https://\ud83d.example"}`, asBearer(alice), 400, `\\ud83d is half of a character`},
		"another coding":   {`{"topics":["orders"]}`, append(asBearer(alice), "Content-Encoding", "br"), 415, "coding_unknown"},
		"large":            {`{"topics":["orders"],"origin":"` + strings.Repeat("x", 33<<10) + `"}`, asBearer(alice), 413, "body_too_large"},
		"crooked origin":   {`{"topics":["orders"],"origin":"shop.example"}`, asBearer(alice), 400, "origin_malformed"},
		"wild origin":      {`{"topics":["orders"],"origin":"https://*.shop.example"}`, asBearer(alice), 400, "origin_malformed"},
		"origin with path": {`{"topics":["orders"],"origin":"https://shop.example/"}`, asBearer(alice), 400, "origin_malformed"},
		"too long":         {`{"topics":[` + strings.Join(long, ",") + `]}`, asBearer(alice), 400, "ticket_too_long"},
		"other page":       {`{"topics":["orders"]}`, append(asBearer(alice), "Origin", "https://evil.example"), 403, "origin_not_allowed"},
	} {
		resp, body := s.askTicket(c.body, c.header...)
		if resp.StatusCode != c.status || !strings.Contains(body, c.want) || strings.Contains(body, alice) {
			t.Errorf("%s: %d %.300s", name, resp.StatusCode, body)
		}
	}
	for name, body := range map[string]string{"as it is": "\ufeff" + `{"topics":["orders"]}`, "gzip": gzipped(t, `{"topics":["orders"]}`)} {
		coding := map[bool]string{true: "gzip"}[name == "gzip"]
		if resp, body := s.askTicket(body, append(asBearer(alice), "Content-Encoding", coding)...); resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	var longest []string
	for i := range 64 {
		longest = append(longest, fmt.Sprintf(`"users.alice.%0243d"`, i))
	}
	if resp, body := s.askTicket(`{"topics": [`+strings.Join(longest, ", ")+`], "origin": "`+page+`"}`, asBearer(alice)...); resp.StatusCode != 200 {
		t.Errorf("64 topics of 255 bytes: %d %.300s", resp.StatusCode, body)
	}
	u := "http://" + s.Addrs().Subscribe + "/v1/tickets"
	resp, _ := do(t, "OPTIONS", u, "", "Origin", page, "Access-Control-Request-Method", "POST")
	if h := resp.Header; resp.StatusCode != 204 || h.Get("Access-Control-Allow-Methods") != "POST" || h.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("preflight: %d %v", resp.StatusCode, h)
	}
	if resp, _ := do(t, "GET", u, ""); resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST, OPTIONS" {
		t.Errorf("GET: %d %v", resp.StatusCode, resp.Header)
	}
	for name, without := range map[string]*server{"no tickets": startJWT(t, nil), "anonymous": start(t, nil)} {
		if resp, body := without.askTicket(`{"topics":["orders"]}`, asBearer(alice)...); resp.StatusCode != 404 || !strings.Contains(body, "tickets_not_offered") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
}

// noise is text that does not compress.
func noise(n int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < n; x = x*1664525 + 1013904223 {
		b.WriteByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[x>>26])
	}
	return b.String()
}

// lockedBuffer takes logs of many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// wait waits until there is a text.
func (l *lockedBuffer) wait(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(l.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log never has %s: %s", text, l.String())
		}
	}
}

func TestCredentialsReachNoLogAndNoMetric(t *testing.T) {
	log := &lockedBuffer{}
	s := startJWTWith(t, hub.Options{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}, func(c *config.Config) {
		withTickets(c)
		c.Auth.Subscribers.JWT.AllowQueryToken = true
	})
	token, bad := tokenOf(t, "subject-of-alice", nil), tokenOf(t, "subject-of-alice", map[string]any{"exp": 1})
	_, answer := s.askTicket(`{"topics":["orders"]}`, asBearer(token)...)
	ticket := strings.Split(answer, `"`)[3]
	for _, c := range []*reader{s.read("topic=orders", asBearer(token)...), s.read("topic=orders&access_token=" + token), s.read("topic=orders&ticket=" + ticket)} {
		c.expect("runnel-open", "live")
		c.close()
	}
	do(t, "GET", s.url("topic=orders&access_token="+bad), "")
	do(t, "GET", s.url("topic=orders&ticket="+ticket+"x"), "")
	said := metrics(t, s)
	s.end()
	said += log.String()
	if !strings.Contains(said, "reader left") {
		t.Error("the log is not what a hub logs")
	}
	for _, secret := range []string{token, bad, ticket, "subject-of-alice", readersSecret} {
		if strings.Contains(said, secret) {
			t.Errorf("%.20s… is told", secret)
		}
	}
}

func TestATokenForEverGetsNoTicket(t *testing.T) {
	s := startJWT(t, func(c *config.Config) {
		withTickets(c)
		c.Auth.Subscribers.JWT.Issuers[0].MaxTokenLifetime = config.Duration(87600 * time.Hour) // the longest there is
	})
	for name, c := range map[string]struct {
		exp  int64
		want string
	}{
		"in milliseconds, by mistake": {time.Now().UnixMilli(), "not milliseconds"}, "the year 10000": {253402300800, "not milliseconds"},
		"the largest": {1 << 61, "not milliseconds"}, "the year 9999": {253402300799, "more than 87600h"},
	} {
		resp, answer := s.askTicket(`{"topics":["orders"]}`, asBearer(tokenOf(t, "alice", map[string]any{"exp": c.exp}))...)
		if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %q", name, resp.StatusCode, answer)
		}
	}
}
