package hub_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

// byNetHTTP is what runs for each connection that the loops have passed on.
const byNetHTTP = "net/http.(*conn).serve"

// TestAForgedTokenIsVerifiedOnce has strangers keep their connections. A loop that has verified a token answers for it, and passes the request
// to nobody who would verify it again; when there are too many, the loops verify none of them.
func TestAForgedTokenIsVerifiedOnce(t *testing.T) {
	if portable {
		t.Skip("there are no loops")
	}
	const few = 8 // of a budget of 20 a second
	cluster := newCluster(t)
	forged, honest := newCluster(t).token("team-a:checkout"), cluster.token("team-a:checkout")
	publish := func(token string) string { return stays("/v1/topics/orders", "x", "Authorization: Bearer "+token) }
	subscribe := func(token string) string {
		return "GET /v1/events?topic=orders HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer " + token + "\r\n\r\n"
	}
	for name, c := range map[string]struct {
		address        func(hub.Addrs) string
		forged, honest string
	}{
		"publish":   {func(a hub.Addrs) string { return a.Publish }, publish(forged), publish(honest)},
		"subscribe": {func(a hub.Addrs) string { return a.Subscribe }, subscribe(tokenOf(t, "alice", nil) + "x"), subscribe(tokenOf(t, "alice", nil))},
	} {
		t.Run(name, func(t *testing.T) {
			s := startJWT(t, cluster.lets(config.Grant{Namespace: "team-a", Name: "checkout", Topics: []string{"orders"}}))
			for end := time.Now().Add(patience); goroutinesIn(byNetHTTP) > 0; time.Sleep(time.Millisecond) { // of hubs before, which end
				if time.Now().After(end) {
					t.Fatal("net/http serves somebody else")
				}
			}
			send := func(request string, status int) {
				t.Helper()
				r, _ := raw(t, c.address(s.Addrs()), request)
				if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != status {
					t.Fatalf("%v, %v", resp, err)
				}
			}
			sent := 0
			for ; sent < few; sent++ {
				send(c.forged, http.StatusUnauthorized)
			}
			if n := goroutinesIn(byNetHTTP); n > 0 {
				t.Errorf("%d of %d connections were passed on", n, few)
			}
			for end := time.Now().Add(patience); goroutinesIn(byNetHTTP) == 0; sent++ {
				if time.Now().After(end) {
					t.Fatal("the loops verify whatever they are sent")
				}
				send(c.forged, http.StatusUnauthorized)
			}
			send(c.honest, http.StatusOK)
			if want := fmt.Sprintf(`runnel_hub_%s_refused_total{code="token_refused",status="401"} %d`, name, sent); !strings.Contains(metrics(t, s), want+"\n") {
				t.Errorf("%s is not among the metrics", want)
			}
		})
	}
}
