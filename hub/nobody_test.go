package hub_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/config"
)

// A configuration for an older hub grants nobody anything where each grant needs a newer one.
func TestNobodyIsLetIn(t *testing.T) {
	s := start(t, nil)
	reader := s.read(q("topic", "orders"))
	reader.expect("runnel-open", "live")
	next := base()
	next.Auth.Subscribers, next.Auth.Publishers = config.Subscribers{Nobody: &config.Nobody{}}, config.Publishers{Nobody: &config.Nobody{}}
	if err := s.Reload(next); err != nil {
		t.Fatal(err)
	}
	reader.expect("runnel-close", "")
	reader.ends()
	subscribe, publish := s.url("topic=orders"), "http://"+s.Addrs().Publish+"/v1/topics/orders"
	for name, authorization := range map[string]string{"nothing": "", "a key": "Bearer 0123456789abcdef", "a JWT": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "a password": "Basic YTpi"} {
		for method, url := range map[string]string{"GET": subscribe, "POST": publish} {
			req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(map[string]string{"POST": "x"}[method]))
			if err != nil {
				t.Fatal(err)
			}
			if authorization != "" {
				req.Header.Set("Authorization", authorization)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s with %s: %s", method, name, resp.Status)
			}
		}
	}
	if got := s.Status(); got.ConfigVersion != config.Version || len(got.Missing) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestStatusTellsTheNewestVersionThatTheHubReads(t *testing.T) {
	s := start(t, nil)
	if resp, body := do(t, "GET", "http://"+s.Addrs().Admin+"/status", ""); resp.StatusCode != 200 || !strings.Contains(body, `"configVersion":1`) {
		t.Errorf("%s: %s", resp.Status, body)
	}
}
