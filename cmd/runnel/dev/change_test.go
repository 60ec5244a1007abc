package dev

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
)

func TestChangesAreNamed(t *testing.T) {
	hour := config.Duration(time.Hour)
	base := config.Config{
		Topics:    []config.Topic{{Name: "orders", Events: 10, Age: hour}, {Name: "prices.*", Events: 1, Age: hour}},
		Heartbeat: config.Heartbeat{Interval: config.Duration(15 * time.Second), Minimum: config.Duration(5 * time.Second)},
	}
	for name, c := range map[string]struct {
		change func(*config.Config)
		want   string
	}{
		"nothing":         {func(*config.Config) {}, ""},
		"order of topics": {func(c *config.Config) { slices.Reverse(c.Topics) }, ""},
		"a value":         {func(c *config.Config) { c.Heartbeat.Interval *= 2 }, "heartbeat.interval 15s → 30s"},
		"a list from unset": {func(c *config.Config) { c.CORS.AllowedOrigins = []string{"*"} },
			`cors.allowedOrigins unset → ["*"]`},
		"a topic more": {func(c *config.Config) { c.Topics = append(c.Topics, config.Topic{Name: "runs.>"}) }, "topic runs.> added"},
		"a topic less": {func(c *config.Config) { c.Topics = c.Topics[:1] }, "topic prices.* removed"},
		"a topic's retention": {func(c *config.Config) { c.Topics[1].Events = 5 },
			"topic prices.* keeps 5 events for 1h0m0s instead of 1 for 1h0m0s"},
		"several": {func(c *config.Config) { c.Topics = c.Topics[1:]; c.Limits.ConnectionsPerHub = 3; c.Drain.Window = hour },
			"topic orders removed, drain.window 0s → 1h0m0s, limits.connectionsPerHub unset → 3"},
		"who publishes": {func(c *config.Config) { c.Auth.Publishers.Anonymous = &config.Anonymous{} }, "auth.publishers {} → unset, auth.publishers.anonymous unset → {}"},
	} {
		t.Run(name, func(t *testing.T) {
			now := base
			now.Topics = slices.Clone(base.Topics)
			c.change(&now)
			if got := strings.Join(configChanges(&base, &now), ", "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
