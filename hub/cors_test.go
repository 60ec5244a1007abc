package hub_test

import (
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
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(cfg *config.Config) { cfg.CORS = c.cors })
			resp, _ := do(t, "HEAD", s.url("topic=orders"), "", "Origin", c.origin)
			got := resp.Header
			if resp.StatusCode != c.status || got.Get("Access-Control-Allow-Origin") != c.want || got.Get("Access-Control-Allow-Credentials") != c.credential || got.Get("Vary") != "Origin" {
				t.Errorf("%d %v", resp.StatusCode, got)
			}
			resp, _ = do(t, "OPTIONS", s.url("topic=orders"), "", "Origin", c.origin, "Access-Control-Request-Method", "GET")
			if c.status == 200 && (resp.StatusCode != 204 || !strings.Contains(resp.Header.Get("Access-Control-Allow-Headers"), "Last-Event-ID")) {
				t.Errorf("preflight: %d %v", resp.StatusCode, resp.Header)
			}
		})
	}
}
