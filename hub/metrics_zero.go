package hub

import (
	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/fanout"
)

// atZero makes the series that counters can have, since a rate misses what a series begins with. Refusals have a series for each code
// that a client has met, since there are too many codes.
func (m *metrics) atZero() {
	for _, reason := range []turnedAway{forConnections, forIdentity, forDraining, forKeys, forHandover} {
		m.turnedAway.WithLabelValues(string(reason))
	}
	for _, reason := range []eventlog.Reason{eventlog.ReasonEvicted, eventlog.ReasonReset, eventlog.ReasonUnknownID, eventlog.ReasonOverflow} {
		m.gaps.WithLabelValues(string(reason))
	}
	for _, reason := range []fanout.Reason{fanout.ReasonDrain, fanout.ReasonMaxAge, fanout.ReasonTokenExpired, fanout.ReasonSlow,
		fanout.ReasonOverloaded, fanout.ReasonRemoved, fanout.ReasonComplete, fanout.ReasonClient} {
		m.ended.WithLabelValues(string(reason))
	}
	for _, port := range []portName{subscribePort, publishPort, adminPort} {
		m.acceptFailures.WithLabelValues(string(port))
		m.acceptWaits.WithLabelValues(string(port))
	}
	for _, result := range []string{resultTaken, resultGiven, resultMissed, resultSuperseded} {
		m.handovers.WithLabelValues(result)
	}
}

// declare makes the series of the declared topics.
func (m *metrics) declare(rules []eventlog.Rule) {
	for _, r := range rules {
		if _, known := (*m.rules.Load())[r.Selector.String()]; !known {
			m.resolve(r.Selector.String())
		}
	}
}
