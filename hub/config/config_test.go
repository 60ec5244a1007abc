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
		Heartbeat: config.Heartbeat{Interval: config.Duration(config.DefaultHeartbeatInterval), Minimum: config.Duration(config.DefaultHeartbeatMinimum)},
		Reconnect: config.Reconnect{Delay: config.Duration(config.DefaultReconnectDelay), MaxConnectionAge: config.Duration(config.DefaultMaxConnectionAge)},
		Drain:     config.Drain{Window: config.Duration(config.DefaultDrainWindow)},
		Limits:    config.Limits{ConnectionsPerHub: 20000, MaxEventSize: config.DefaultMaxEventSize},
		Auth: config.Auth{
			Subscribers: config.Subscribers{Anonymous: &config.Anonymous{}},
			Publishers: config.Publishers{ServiceAccounts: &config.ServiceAccounts{
				Audience: "runnel.dev/team-a/shop",
				Grants:   []config.Grant{{Namespace: "team-a", Name: config.EveryAccount, Topics: []string{">"}}},
			}},
			Issuers: []config.Issuer{{URL: "https://cluster", Keys: json.RawMessage(`{"keys":[ ]}`)}},
		},
		Peers: &config.Peers{Service: "shop-hub.team-a.svc.cluster.local.", Audience: "runnel.dev/peer/team-a/shop", Account: "shop-hub"},
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
	c.Limits.ConnectionsPerHub++
	if config.Hash(got) == config.Hash(c) {
		t.Error("another configuration has the same hash")
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Config)
		want   string
	}{
		"stream":            {func(c *config.Config) { c.Stream.Name = "" }, "stream:"},
		"no topics":         {func(c *config.Config) { c.Topics = nil }, "topics:"},
		"topic":             {func(c *config.Config) { c.Topics[0].Name = "a b" }, "topics[0].name:"},
		"twice":             {func(c *config.Config) { c.Topics = append(c.Topics, c.Topics[0]) }, "topics[1].name:"},
		"events":            {func(c *config.Config) { c.Topics[0].Events = 0 }, "topics[0].events:"},
		"age":               {func(c *config.Config) { c.Topics[0].Age = 0 }, "topics[0].age:"},
		"bytes":             {func(c *config.Config) { c.Retention.Bytes = 1 }, "retention.bytes:"},
		"heartbeat":         {func(c *config.Config) { c.Heartbeat.Interval = 0 }, "heartbeat.interval: 0s is not between 1s and 10m0s"},
		"heartbeat minimum": {func(c *config.Config) { c.Heartbeat.Minimum = c.Heartbeat.Interval + 1 }, "heartbeat.minimum: 15.000000001s is not between 1s and 15s"},
		"delay":             {func(c *config.Config) { c.Reconnect.Delay = 0 }, "reconnect.delay:"},
		"max age":           {func(c *config.Config) { c.Reconnect.MaxConnectionAge = 0 }, "reconnect.maxConnectionAge:"},
		"drain":             {func(c *config.Config) { c.Drain.Window = -1 }, "drain.window:"},
		"connections":       {func(c *config.Config) { c.Limits.ConnectionsPerHub = -1 }, "limits.connectionsPerHub:"},
		"event bytes":       {func(c *config.Config) { c.Limits.MaxEventSize = 0 }, "limits.maxEventSize:"},
		"event > ring":      {func(c *config.Config) { c.Limits.MaxEventSize, c.Retention.Bytes = 1<<20, 1<<20 }, "limits.maxEventSize: 1048576 is more than half"},
		"origins":           {func(c *config.Config) { c.CORS.AllowedOrigins = []string{"*", "https://a"} }, "cors.allowedOrigins[0]:"},
		"subscribers":       {func(c *config.Config) { c.Auth.Subscribers.Anonymous = nil }, "auth.subscribers:"},
		"publishers":        {func(c *config.Config) { c.Auth.Publishers.ServiceAccounts = nil }, "auth.publishers:"},
		"audience":          {func(c *config.Config) { c.Auth.Publishers.ServiceAccounts.Audience = "" }, "audience:"},
		"issuer":            {func(c *config.Config) { c.Auth.Issuers[0].URL = "" }, "auth.issuers[0].url: must be set"},
		"grants":            {func(c *config.Config) { c.Auth.Publishers.ServiceAccounts.Grants = nil }, "grants:"},
		"grant":             {func(c *config.Config) { c.Auth.Publishers.ServiceAccounts.Grants[0].Topics = nil }, "auth.publishers.serviceAccounts.grants[0].topics: 0 is not between 1 and 64"},
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
	full := valid()
	full.TLS = &config.TLS{Secret: "shop-tls"}
	full.Auth.Subscribers = config.Subscribers{JWT: &config.JWT{Issuers: []config.TokenIssuer{
		{Issuer: "https://a", Audiences: []string{"shop"}, JWKSURI: "https://a/keys", TopicsClaim: "topics"},
		{Issuer: "https://b", Audiences: []string{"shop"}, JWKSURI: "https://b/keys", Topics: []string{"users.{sub}.>"}},
	}}}
	b, err := config.Encode(full)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Decode(b); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, now, want string }{
		"unknown field":      {`"heartbeat"`, `"heart": 1, "heartbeat"`, "heart: unknown field"},
		"deep":               {`"jwksURI": "https://b`, `"foo": {"a": [1]}, "jwksURI": "https://b`, "auth.subscribers.jwt.issuers[1].foo: unknown field"},
		"in a list":          {`"events": 100`, `"event": 100`, "topics[0].event: unknown field"},
		"letter case":        {`"heartbeat"`, `"Heartbeat"`, "Heartbeat: unknown field: write heartbeat"},
		"deep letter case":   {`"jwksURI": "https://b`, `"jwksUri": "https://b`, "auth.subscribers.jwt.issuers[1].jwksUri: unknown field: write jwksURI"},
		"Unicode case":       {`"drain"`, `"dra\u0131n"`, "unknown field"},
		"twice":              {`"heartbeat"`, `"drain": {"window":"1s"}, "heartbeat"`, "drain: is there twice"},
		"twice, escaped":     {`"interval": "15s"`, `"interval": "15s", "interv\u0061l": "16s"`, "heartbeat.interval: is there twice"},
		"version":            {`"version": 1`, `"version": 2`, "version: 2 is not known"},
		"another document":   {string(b), `{"version": 3, "everything": "else"}`, "version: 3 is not known to this hub, it reads 1"},
		"no version":         {`"version": 1,`, ``, "version: 0 is not known"},
		"version as text":    {`"version": 1`, `"version": "1"`, "version: string stands where a whole number is expected"},
		"trailing":           {string(b), string(b) + "{}", "after top-level value"},
		"duration":           {`"15s"`, `"soon"`, `heartbeat.interval: "soon" is no duration: write one such as "15s"`},
		"duration as number": {`"15s"`, `15`, `heartbeat.interval: 15 is no duration`},
		"no duration":        {`"15s"`, `null`, `heartbeat.interval: `},
		"number as text":     {`"connectionsPerHub": 20000`, `"connectionsPerHub": "20000"`, "limits.connectionsPerHub: string stands where a whole number is expected"},
		"fraction":           {`"connectionsPerHub": 20000`, `"connectionsPerHub": 0.5`, "limits.connectionsPerHub: number 0.5 stands where a whole number is expected"},
		"too large":          {`"connectionsPerHub": 20000`, `"connectionsPerHub": 1e30`, "limits.connectionsPerHub: number 1e30"},
		"null":               {`"connectionsPerHub": 20000`, `"connectionsPerHub": null`, "limits.connectionsPerHub: null stands where a whole number is expected"},
		"text":               {`"name": "orders"`, `"name": 7`, "topics[0].name: number stands where a string is expected"},
		"bool":               {`"heartbeat"`, `"cors": {"allowCredentials": "yes"}, "heartbeat"`, "cors.allowCredentials: string stands where true or false is expected"},
		"object":             {`"stream": {`, `"stream": [{`, "configuration is not readable"},
		"list as object":     {`"audiences": [`, `"audiences": {}, "topics": [`, "auth.subscribers.jwt.issuers[0].audiences: object stands where a list is expected"},
		"object as list":     {`"tls": {`, `"tls": [], "drain": {`, "tls: array stands where an object is expected"},
		"list":               {string(b), `[]`, "configuration: array stands where an object is expected"},
		"null for all":       {string(b), `null`, "version: 0 is not known"},
		"not UTF-8":          {`"orders"`, "\"\xff\"", "not UTF-8"},
		"nothing":            {string(b), "", "not readable"},
	} {
		t.Run(name, func(t *testing.T) {
			document := strings.Replace(string(b), c.old, c.now, 1)
			if document == string(b) {
				t.Fatalf("there is no %s in %s", c.old, b)
			}
			if _, err := config.Decode([]byte(document)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	b, err := config.Encode(valid())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	if b, err = config.Encode(withAll()); err != nil {
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
