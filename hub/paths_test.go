package hub_test

import (
	"encoding/json"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/config"
)

// byEveryProtocol runs a test with a client of each protocol, and an authority where that is encrypted.
func byEveryProtocol(t *testing.T, test func(t *testing.T, scheme string, via http.RoundTripper, ca *authority)) {
	t.Helper()
	for name, version := range map[string]int{"HTTP/1.1": 1, "HTTP/2": 2} {
		t.Run(name+" by clear text", func(t *testing.T) {
			protocols := &http.Protocols{}
			protocols.SetHTTP1(version == 1)
			protocols.SetUnencryptedHTTP2(version == 2)
			via := &http.Transport{Protocols: protocols}
			t.Cleanup(via.CloseIdleConnections)
			test(t, "http://", via, nil)
		})
		t.Run(name+" by TLS", func(t *testing.T) {
			ca := newAuthority(t)
			test(t, "https://", ca.client(version, nil), ca)
		})
	}
}

func TestLoadBalancersAreAnsweredWithoutACredential(t *testing.T) {
	byEveryProtocol(t, func(t *testing.T, scheme string, via http.RoundTripper, ca *authority) {
		s := startClosed(t, ca)
		for name, addr := range map[string]string{"subscribe": s.Addrs().Subscribe, "publish": s.Addrs().Publish} {
			for _, path := range []string{"/", "/healthz", "/?from=balancer"} {
				for _, method := range []string{"GET", "HEAD"} {
					resp, body := send(t, via, method, scheme+addr+path, "", "Origin", "https://evil.example", "User-Agent", "kube-probe/1.36")
					line := method == "HEAD" || strings.Contains(body, name) && strings.Index(body, "\n") == len(body)-1
					if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" || !line {
						t.Errorf("%s %s of %s: %s %v %q", method, path, name, resp.Status, resp.Header, body)
					}
				}
			}
		}
		if got := metrics(t, s); regexp.MustCompile(`_refused_total\{.*\} [1-9]`).MatchString(got) {
			t.Errorf("a probe counts as refused: %s", got)
		}
	})
}

func TestARequestForAnotherPortLearnsWhichOne(t *testing.T) {
	byEveryProtocol(t, func(t *testing.T, scheme string, via http.RoundTripper, ca *authority) {
		s := startClosed(t, ca)
		addrs := map[string]string{"subscribe": s.Addrs().Subscribe, "publish": s.Addrs().Publish, "admin": s.Addrs().Admin}
		for request, there := range map[string]string{
			"GET /v1/events?topic=orders": "subscribe", "POST /v1/events": "subscribe", "GET /v1/topics/orders/events": "subscribe", "POST /v1/tickets": "subscribe", "OPTIONS /v1/events": "subscribe",
			"POST /": "publish", "POST /v1/topics/orders": "publish", "GET /v1/topics/orders": "publish", "GET /v1/topics": "publish", "POST /v1/topics/orders/complete": "publish",
			"POST /v1/publish": "publish", "POST /v1/cloudevents": "publish", "POST /v1/cloudevents/orders": "publish",
			"GET /metrics": "admin", "GET /readyz": "admin", "GET /status": "admin",
		} {
			for here, addr := range addrs {
				if here == there || here == "admin" && request == "POST /" {
					continue
				}
				scheme, via := scheme, via
				if here == "admin" { // which is never encrypted
					scheme, via = "http://", http.DefaultTransport
				}
				method, target, _ := strings.Cut(request, " ")
				resp, body := send(t, via, method, scheme+addr+target, "")
				var got struct{ Code, Detail string }
				_ = json.Unmarshal([]byte(body), &got)
				_, number, _ := net.SplitHostPort(addrs[there])
				if resp.StatusCode != 404 || got.Code != "wrong_port" || !strings.Contains(got.Detail, "this is the "+here+" port") || !strings.Contains(got.Detail, there+" port, "+number) {
					t.Errorf("%s on the %s port: %s %s", request, here, resp.Status, body)
				}
			}
		}
	})
}

func TestMethodsOfPathsThatAreProbed(t *testing.T) {
	s := startClosed(t, nil)
	for request, want := range map[string]string{
		"PUT " + s.Addrs().Subscribe + "/": "GET, HEAD", "POST " + s.Addrs().Subscribe + "/healthz": "GET, HEAD",
		"PUT " + s.Addrs().Publish + "/": "GET, HEAD, POST", "POST " + s.Addrs().Publish + "/healthz": "GET, HEAD",
		"PUT " + s.Addrs().Publish + "/v1/topics": "GET, HEAD", "PUT " + s.Addrs().Publish + "/v1/topics/orders": "GET, HEAD, POST", "GET " + s.Addrs().Publish + "/v1/publish": "POST",
	} {
		method, target, _ := strings.Cut(request, " ")
		if resp, body := do(t, method, "http://"+target, ""); resp.StatusCode != 405 || resp.Header.Get("Allow") != want {
			t.Errorf("%s: %s %v %s, want %s", request, resp.Status, resp.Header, body, want)
		}
	}
}

// startClosed serves a hub to which subscribers and publishers must show a credential.
func startClosed(t *testing.T, ca *authority) *server {
	t.Helper()
	return startCertified(t, ca, func(c *config.Config) { c.Auth.Publishers = keyed("ci") })
}
