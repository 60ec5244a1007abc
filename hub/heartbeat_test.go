package hub_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
)

// Some clients end a connection after five seconds of silence.
func TestAStreamSaysHowShortAHeartbeatMayBe(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Heartbeat.Minimum = config.Duration(time.Second) })
	expect := func(asked string, ms int) {
		t.Helper()
		c := s.read("topic=orders&heartbeat=" + asked)
		c.expect("runnel-open", fmt.Sprintf(`"heartbeatMs":%d,`, ms))
		c.close()
	}
	expect("1ms", 1000)
	expect("2s", 2000)
	expect("3", 3000)
	expect("0", 15000)
	expect("24h", 600000)
	if resp, body := do(t, "GET", s.url("topic=orders&heartbeat=-2s"), ""); resp.StatusCode != 400 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}

	stricter := base()
	stricter.Heartbeat.Minimum = config.Duration(10 * time.Second)
	if err := s.Reload(stricter); err != nil {
		t.Fatal(err)
	}
	expect("2s", 10000)
	expect("12s", 12000)
}
