package hub_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/config"
)

func TestAPublisherIsHeldToItsRate(t *testing.T) {
	const batched = 600 // events, which take ten minutes to make up for: far longer than the requests below
	s := start(t, func(c *config.Config) { c.Limits.PublishRate = 1 })
	u := "http://" + s.Addrs().Publish
	batch := strings.Repeat(`{"topic":"orders","data":1}`+"\n", batched) // a second's worth and far more: it is owed
	if resp, body := do(t, "POST", u+"/v1/publish", batch, "Content-Type", linesType); resp.StatusCode != 200 || strings.Contains(body, "error") {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	for name, again := range map[string]struct {
		path, body string
		header     []string
	}{
		"raw":      {"/v1/topics/orders", "x", nil},
		"document": {"/v1/publish", `{"topic":"orders","data":1}`, []string{"Content-Type", jsonType}},
		"lines":    {"/v1/publish", batch, []string{"Content-Type", linesType}},
		"event":    {"/v1/cloudevents/orders", "x", ce()},
		"end":      {"/v1/topics/orders/complete", "x", nil},
	} {
		resp, body := do(t, "POST", u+again.path, again.body, again.header...)
		after, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if resp.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, "rate_exceeded") || err != nil || after < 1 || after > batched {
			t.Errorf("%s: %d %v %s", name, resp.StatusCode, resp.Header, body)
		}
	}
	if seq := s.Status().Seq; seq != batched {
		t.Errorf("%d events are stored", seq)
	}
	c := base()
	if err := s.Reload(c); err != nil {
		t.Fatal(err)
	}
	s.publish("orders", "without a limit")
}
