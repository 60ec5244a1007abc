package hub_test

import (
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

// A rate misses what a series begins with.
func TestCountersAreThereBeforeTheyCount(t *testing.T) {
	s := startWith(t, hub.Options{Version: "v1.2.3"}, func(c *config.Config) {
		c.Topics = []config.Topic{{Name: "orders", Events: 1, Age: c.Topics[0].Age}, {Name: "prices.*", Events: 1, Age: c.Topics[0].Age}}
	})
	body := metrics(t, s)
	for _, series := range []string{
		`runnel_hub_published_events_total{topic="orders"}`, `runnel_hub_published_events_total{topic="prices.*"}`,
		`runnel_hub_published_bytes_total{topic="orders"}`, `runnel_hub_published_duplicates_total{topic="orders"}`,
		`runnel_hub_connections_refused_total{reason="connections"}`, `runnel_hub_connections_refused_total{reason="handover"}`,
		`runnel_hub_delivered_events_total`, `runnel_hub_delivered_bytes_total`, `runnel_hub_forwarded_events_total`,
		`runnel_hub_gaps_total{reason="evicted"}`, `runnel_hub_gaps_total{reason="overflow"}`,
		`runnel_hub_connections_ended_total{reason="slow_consumer"}`, `runnel_hub_connections_ended_total{reason="client"}`,
		`runnel_hub_handovers_total{result="missed"}`, `runnel_hub_handovers_total{result="taken_over"}`,
	} {
		if !strings.Contains(body, "\n"+series+" 0\n") {
			t.Errorf("there is no %s 0", series)
		}
	}
	if !strings.Contains(body, `runnel_hub_build_info{goversion="go1.`) || !strings.Contains(body, `version="v1.2.3"} 1`) {
		t.Error("there is no build info")
	}
}
