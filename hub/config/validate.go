package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// Bounds of a configuration. The resource's schema has the same ones, but for a drain of no length, which a local run needs; here
// they protect a hub from a document that another hand wrote.
const (
	maxTopics     = 256
	maxOrigins    = 64
	maxEvents     = 1_000_000
	maxAge        = 720 * time.Hour
	minBytes      = 1 << 20
	maxBytes      = 64 << 30
	minEventBytes = 1 << 10
	maxEventBytes = 4 << 20
	maxConns      = 1_000_000
	maxRate       = 1_000_000
)

// Validate checks every bound and says all that is wrong, each with the field's path.
func (c *Config) Validate() error {
	v := &checker{}
	if c.Stream.Name == "" || c.Stream.Namespace == "" {
		v.fail("stream", "name and namespace must be set")
	}
	v.topics(c.Topics)
	bounds(v, "retention.bytes", c.Retention.Bytes, minBytes, maxBytes)
	bounds(v, "heartbeat.interval", c.Heartbeat.Interval, Duration(time.Second), Duration(10*time.Minute))
	bounds(v, "heartbeat.minimum", c.Heartbeat.Minimum, Duration(time.Second), c.Heartbeat.Interval)
	bounds(v, "reconnect.delay", c.Reconnect.Delay, Duration(100*time.Millisecond), Duration(5*time.Minute))
	bounds(v, "reconnect.maxConnectionAge", c.Reconnect.MaxConnectionAge, Duration(10*time.Second), Duration(24*time.Hour))
	bounds(v, "drain.window", c.Drain.Window, 0, Duration(MaxDrainWindow))
	bounds(v, "limits.connectionsPerHub", c.Limits.ConnectionsPerHub, 0, maxConns)
	bounds(v, "limits.maxEventSize", c.Limits.MaxEventSize, minEventBytes, maxEventBytes)
	if c.Limits.MaxEventSize > c.Retention.Bytes/2 {
		v.fail("limits.maxEventSize", "%d is more than half of retention.bytes, %d: an event must fit the history", c.Limits.MaxEventSize, c.Retention.Bytes)
	}
	v.cors("cors.allowedOrigins", c.CORS)
	bounds(v, "limits.connectionsPerIdentity", c.Limits.ConnectionsPerIdentity, 0, maxConns)
	bounds(v, "limits.eventsPerSecondPerPublisher", c.Limits.EventsPerSecondPerPublisher, 0, maxRate)
	if c.TLS != nil {
		v.reference("tls.secret", c.TLS.Certificate())
	}
	v.subscribers(c.Auth.Subscribers)
	v.publishers(c.Auth.Publishers)
	v.issuers("auth.issuers", c.Auth.Issuers)
	if c.Peers != nil {
		v.peers("peers", *c.Peers)
	}
	return errors.Join(v.errs...)
}

type checker struct{ errs []error }

func (v *checker) fail(path, format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

func (v *checker) topics(ts []Topic) {
	bounds(v, "topics", len(ts), 1, maxTopics)
	seen := map[string]bool{}
	for i, t := range ts {
		path := fmt.Sprintf("topics[%d]", i)
		if _, err := event.ParseSelector(t.Name); err != nil {
			v.fail(path+".name", "%v", err)
		}
		if seen[t.Name] {
			v.fail(path+".name", "%q is there twice", t.Name)
		}
		seen[t.Name] = true
		bounds(v, path+".events", t.Events, 1, maxEvents)
		bounds(v, path+".age", t.Age, Duration(time.Second), Duration(maxAge))
	}
}

func (v *checker) cors(path string, c CORS) {
	bounds(v, path, len(c.AllowedOrigins), 0, maxOrigins)
	for i, text := range c.AllowedOrigins {
		_, _, ok := parseOriginRule(text)
		switch path := fmt.Sprintf("%s[%d]", path, i); {
		case text == "*" && (len(c.AllowedOrigins) > 1 || c.AllowCredentials):
			v.fail(path, "* stands alone and without allowCredentials")
		case text != "*" && !ok:
			v.fail(path, "%.80q is no origin: %s", text, originForm)
		}
	}
}

func bounds[T int | int64 | Duration](v *checker, path string, got, low, high T) {
	if got < low || got > high {
		v.fail(path, "%v is not between %v and %v", got, low, high)
	}
}

// String is the form of time.Duration.String, for error messages.
func (d Duration) String() string { return time.Duration(d).String() }
