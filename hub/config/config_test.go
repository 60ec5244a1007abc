package config_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
)

func valid() *config.Config {
	return &config.Config{
		Version:   config.Version,
		Stream:    config.Stream{Namespace: "team-a", Name: "shop"},
		Topics:    []config.Topic{{Name: "orders", Events: 100, Age: config.Duration(time.Hour)}},
		Retention: config.Retention{Bytes: config.DefaultRetentionBytes},
		Heartbeat: config.Heartbeat{Interval: config.Duration(config.DefaultHeartbeatInterval)},
		Reconnect: config.Reconnect{Delay: config.Duration(config.DefaultReconnectDelay), MaxConnectionAge: config.Duration(config.DefaultMaxConnectionAge)},
		Drain:     config.Drain{Window: config.Duration(config.DefaultDrainWindow)},
		Limits:    config.Limits{Connections: config.DefaultConnections, EventBytes: config.DefaultEventBytes},
		Auth: config.Auth{
			Subscribers: config.Subscribers{Anonymous: &config.Anonymous{}},
			Publishers: config.Publishers{ServiceAccounts: &config.ServiceAccounts{
				Audience: "runnel.dev/team-a/shop",
				Issuers:  []config.Issuer{{URL: "https://cluster", Keys: json.RawMessage(`{"keys":[ ]}`)}},
				Grants:   []config.Grant{{Namespace: "team-a", Topics: []string{">"}}},
			}},
		},
	}
}

func TestRoundTripKeepsTheHash(t *testing.T) {
	c := valid()
	b, err := config.Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if config.Hash(got) != config.Hash(c) || len(config.Hash(c)) != 32 {
		t.Errorf("hash %s became %s", config.Hash(c), config.Hash(got))
	}
	c.Limits.Connections++
	if config.Hash(got) == config.Hash(c) {
		t.Error("another configuration has the same hash")
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Config)
		want   string
	}{
		"stream":       {func(c *config.Config) { c.Stream.Name = "" }, "stream:"},
		"no topics":    {func(c *config.Config) { c.Topics = nil }, "topics:"},
		"topic":        {func(c *config.Config) { c.Topics[0].Name = "a b" }, "topics[0].name:"},
		"twice":        {func(c *config.Config) { c.Topics = append(c.Topics, c.Topics[0]) }, "topics[1].name:"},
		"events":       {func(c *config.Config) { c.Topics[0].Events = 0 }, "topics[0].events:"},
		"age":          {func(c *config.Config) { c.Topics[0].Age = 0 }, "topics[0].age:"},
		"bytes":        {func(c *config.Config) { c.Retention.Bytes = 1 }, "retention.bytes:"},
		"heartbeat":    {func(c *config.Config) { c.Heartbeat.Interval = 0 }, "heartbeat.interval: 0s is not between 5s and 10m0s"},
		"delay":        {func(c *config.Config) { c.Reconnect.Delay = 0 }, "reconnect.delay:"},
		"max age":      {func(c *config.Config) { c.Reconnect.MaxConnectionAge = 0 }, "reconnect.maxConnectionAge:"},
		"drain":        {func(c *config.Config) { c.Drain.Window = -1 }, "drain.window:"},
		"connections":  {func(c *config.Config) { c.Limits.Connections = -1 }, "limits.connections:"},
		"event bytes":  {func(c *config.Config) { c.Limits.EventBytes = 0 }, "limits.eventBytes:"},
		"event > ring": {func(c *config.Config) { c.Limits.EventBytes, c.Retention.Bytes = 1<<20, 1<<20 }, "limits.eventBytes: 1048576 is more than half"},
		"origins":      {func(c *config.Config) { c.CORS.AllowedOrigins = []string{"*", "https://a"} }, "cors.allowedOrigins[0]:"},
		"subscribers":  {func(c *config.Config) { c.Auth.Subscribers.Anonymous = nil }, "auth.subscribers:"},
		"publishers":   {func(c *config.Config) { c.Auth.Publishers.ServiceAccounts = nil }, "auth.publishers:"},
		"audience":     {func(c *config.Config) { c.Auth.Publishers.ServiceAccounts.Audience = "" }, "audience:"},
		"issuer":       {func(c *config.Config) { c.Auth.Publishers.ServiceAccounts.Issuers[0].URL = "" }, "auth.publishers.serviceAccounts.issuers[0].url: must be set"},
		"grants":       {func(c *config.Config) { c.Auth.Publishers.ServiceAccounts.Grants = nil }, "grants:"},
		"grant":        {func(c *config.Config) { c.Auth.Publishers.ServiceAccounts.Grants[0].Topics = nil }, "auth.publishers.serviceAccounts.grants[0].topics: 0 is not between 1 and 64"},
	} {
		t.Run(name, func(t *testing.T) {
			v := valid()
			c.change(v)
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := config.Decode(b); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestDocumentIsReadStrictly(t *testing.T) {
	b, err := config.Encode(valid())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ document, want string }{
		"unknown field": {strings.Replace(string(b), `"heartbeat"`, `"heart": 1, "heartbeat"`, 1), `unknown field "heart"`},
		"version":       {strings.Replace(string(b), `"version": 1`, `"version": 2`, 1), "version: 2 is not known"},
		"trailing":      {string(b) + "{}", "after top-level value"},
		"duration":      {strings.Replace(string(b), `"15s"`, `"soon"`, 1), `"soon"`},
		"nothing":       {"", "not readable"},
	} {
		if _, err := config.Decode([]byte(c.document)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	b, err := config.Encode(valid())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		c, err := config.Decode(document)
		if err != nil {
			return // refused
		}
		again, err := config.Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		d, err := config.Decode(again)
		if err != nil || config.Hash(d) != config.Hash(c) {
			t.Fatalf("%v: %s", err, again)
		}
	})
}
