package hub

import (
	"net/http"
	"strconv"

	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/fanout"
)

// atZero makes the series that counters can have, since a rate misses what a series begins with. Of the refusals it makes those that
// an alert may be about; the others are what a client did wrong.
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
	for _, result := range []string{resultTaken, resultGiven, resultMissed, resultSuperseded} {
		m.handovers.WithLabelValues(result)
	}
	for code, status := range map[string]int{
		credentialMissing: http.StatusUnauthorized, tokenRefused: http.StatusUnauthorized, "topic_not_granted": http.StatusForbidden,
		"topic_not_declared": http.StatusNotFound, "not_ready": http.StatusServiceUnavailable,
	} {
		m.publishRefused.WithLabelValues(strconv.Itoa(status), code)
		m.subscribeRefused.WithLabelValues(strconv.Itoa(status), code)
	}
	m.publishRefused.WithLabelValues(strconv.Itoa(http.StatusTooManyRequests), "rate_exceeded")
	m.publishRefused.WithLabelValues(strconv.Itoa(http.StatusServiceUnavailable), "not_stored")
}

// declare makes the series of the declared topics.
func (m *metrics) declare(rules []eventlog.Rule) {
	for _, r := range rules {
		if _, known := (*m.rules.Load())[r.Selector.String()]; !known {
			m.resolve(r.Selector.String())
		}
	}
}
