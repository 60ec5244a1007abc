package hub_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/config"
)

func TestCORS(t *testing.T) {
	for name, c := range map[string]struct {
		cors                     config.CORS
		origin, want, credential string
		status                   int
	}{
		"listed":             {config.CORS{AllowedOrigins: []string{"https://a.example"}}, "https://a.example", "https://a.example", "", 200},
		"listed, credential": {config.CORS{AllowedOrigins: []string{"https://a.example"}, AllowCredentials: true}, "https://a.example", "https://a.example", "true", 200},
		"every":              {config.CORS{AllowedOrigins: []string{"*"}}, "https://b.example", "*", "", 200},
		"other":              {config.CORS{AllowedOrigins: []string{"https://a.example"}}, "https://b.example", "", "", 403},
		"none":               {config.CORS{}, "https://a.example", "", "", 403},
		"null":               {config.CORS{}, "null", "", "", 403},
		"same origin":        {config.CORS{}, "", "", "", 200},
		"wildcard":           {config.CORS{AllowedOrigins: []string{"https://*.shop.example"}, AllowCredentials: true}, "https://a.shop.example", "https://a.shop.example", "true", 200},
		"wildcard, itself":   {config.CORS{AllowedOrigins: []string{"https://*.shop.example"}}, "https://shop.example", "", "", 403},
		"wildcard, suffix":   {config.CORS{AllowedOrigins: []string{"https://*.shop.example"}}, "https://evilshop.example", "", "", 403},
		"app":                {config.CORS{AllowedOrigins: []string{"capacitor://localhost", "ionic://localhost"}}, "ionic://localhost", "ionic://localhost", "", 200},
		"other app":          {config.CORS{AllowedOrigins: []string{"capacitor://localhost"}}, "ionic://localhost", "", "", 403},
		"default port":       {config.CORS{AllowedOrigins: []string{"https://a.example:443"}}, "https://a.example", "https://a.example", "", 200},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(cfg *config.Config) { cfg.CORS = c.cors })
			resp, _ := do(t, "HEAD", s.url("topic=orders"), "", "Origin", c.origin)
			got := resp.Header
			if resp.StatusCode != c.status || got.Get("Access-Control-Allow-Origin") != c.want || got.Get("Access-Control-Allow-Credentials") != c.credential || got.Get("Vary") != "Origin" {
				t.Errorf("%d %v", resp.StatusCode, got)
			}
			resp, _ = do(t, "OPTIONS", s.url("topic=orders"), "", "Origin", c.origin, "Access-Control-Request-Method", "GET")
			if c.status == 200 && resp.StatusCode != 204 || c.status != 200 && resp.StatusCode != c.status {
				t.Errorf("preflight: %d %v", resp.StatusCode, resp.Header)
			}
		})
	}
}

// A browser compares names without regard to case, and sends nothing when one of them is missing.
func TestPagesMaySendWhatLibrariesAdd(t *testing.T) {
	s := startJWT(t, withTickets)
	for path, method := range map[string]string{"/v1/events?topic=orders": "GET", "/v1/topics/orders/events": "GET", "/v1/tickets": "POST"} {
		resp, _ := do(t, "OPTIONS", "http://"+s.Addrs().Subscribe+path, "", "Origin", page, "Access-Control-Request-Method", method)
		h := resp.Header
		if resp.StatusCode != 204 || h.Get("Access-Control-Allow-Origin") != page || !slices.Contains(strings.Split(h.Get("Access-Control-Allow-Methods"), ", "), method) {
			t.Errorf("%s: %d %v", path, resp.StatusCode, h)
		}
		allowed := strings.Split(strings.ToLower(h.Get("Access-Control-Allow-Headers")), ", ")
		for _, name := range []string{
			"accept", "authorization", "cache-control", "content-type", "last-event-id", "pragma", "x-requested-with",
			"traceparent", "tracestate", "baggage", "sentry-trace", "b3", "x-b3-traceid", "x-datadog-trace-id", "x-request-id",
		} {
			if !slices.Contains(allowed, name) {
				t.Errorf("%s: %s is not among %q", path, name, allowed)
			}
		}
	}
}

// Proxies rewrite Host, or write the default port of a scheme that the hub does not see.
func TestThePageOfTheHubItselfNeedsNoPermissionBehindAProxy(t *testing.T) {
	s := startJWT(t, func(c *config.Config) { withTickets(c); c.CORS = config.CORS{} })
	authorization := asBearer(tokenOf(t, "alice", nil))
	for name, c := range map[string]struct {
		host, origin string
		header       []string
		status       int
	}{
		"host as it was":           {"shop.example", "https://shop.example", nil, 200},
		"port of https":            {"shop.example:443", "https://shop.example", nil, 200},
		"port of http":             {"shop.example:80", "http://shop.example", nil, 200},
		"port of the other scheme": {"shop.example:80", "https://shop.example", nil, 403},
		"letter case":              {"SHOP.example", "https://shop.example", nil, 200},
		"other port":               {"shop.example:8443", "https://shop.example:8443", nil, 200},
		"rewritten":                {"hub.internal:8080", "https://shop.example", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		"rewritten, old browser":   {"hub.internal:8080", "https://shop.example", nil, 403},
		"same site":                {"hub.internal:8080", "https://shop.example", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"cross site":               {"hub.internal:8080", "https://evil.example", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"an app on the same host":  {"localhost", "capacitor://localhost", nil, 403},
	} {
		for method, path := range map[string]string{"GET": "/v1/events?topic=orders&on_gap=fail&last_event_id=00000000-1", "POST": "/v1/tickets"} {
			status := c.status
			if method == "GET" && status == 200 {
				status = 410 // which ends
			}
			body := map[string]string{"GET": "", "POST": `{"topics":["orders"]}`}[method]
			request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nConnection: close\r\n%s: %s\r\n", method, path, c.host, c.origin, authorization[0], authorization[1])
			if method == "POST" {
				request += fmt.Sprintf("Content-Length: %d\r\n", len(body))
			}
			for i := 0; i < len(c.header); i += 2 {
				request += c.header[i] + ": " + c.header[i+1] + "\r\n"
			}
			r, _ := raw(t, s.Addrs().Subscribe, request+"\r\n"+body)
			answer, err := io.ReadAll(r)
			if want := fmt.Sprintf("HTTP/1.1 %d ", status); err != nil || !strings.HasPrefix(string(answer), want) || strings.Contains(string(answer), "Access-Control-Allow-Origin") {
				t.Errorf("%s, %s: %q, %v, want %s", name, method, answer, err, want)
			}
		}
	}
}
