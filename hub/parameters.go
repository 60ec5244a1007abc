package hub

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxIgnored is how many of a subscriber's parameters are named as ignored. Pages and proxies add one or two.
	maxIgnored = 16
	// maxQuoted is how many bytes of what a client sent are said back to it.
	maxQuoted = 64
)

// parameters are those of a subscriber, by the names that the hub reads them by. They keep the first problem of those that were read.
type parameters struct {
	values url.Values
	// ignored are names that the hub does not know, each once and at most maxIgnored.
	ignored []string
	bad     *problem
}

// add takes a parameter, from wherever it came: a query, a form or a JSON body. Values of one parameter keep their order, whichever of its
// names they came by.
func (p *parameters) add(name, value string) {
	name, known := parameterName(name)
	if !known {
		p.ignore(name)
		return
	}
	if p.values == nil {
		p.values = url.Values{}
	}
	p.values[name] = append(p.values[name], value)
}

// parameterName returns the name that the hub reads a subscriber's parameter by, and reports whether it knows the parameter.
func parameterName(name string) (readBy string, known bool) {
	switch name {
	case "lastEventId", "lastEventID", "last-event-id":
		return "last_event_id", true
	case "topic", "last_event_id", "replay", "since", "heartbeat", "heartbeat_mode", "flush", "conflate", "format", "on_gap", "control", "padding",
		"ticket", "access_token":
		return name, true
	}
	return name, false
}

// ignore notes that a parameter has no effect.
func (p *parameters) ignore(name string) {
	if name = shorten(name); len(p.ignored) < maxIgnored && !slices.Contains(p.ignored, name) {
		p.ignored = append(p.ignored, name)
	}
}

// get returns the first value of a parameter.
func (p *parameters) get(name string) string { return p.values.Get(name) }

// oneOf returns a parameter's value, the usual one where it has none or one that is not known.
func (p *parameters) oneOf(name, usual string, others ...string) string {
	switch value := p.get(name); {
	case slices.Contains(others, value):
		return value
	case value != "" && value != usual:
		last := len(others) - 1
		p.fail(malformed(name, value, strings.Join(append([]string{usual}, others[:last]...), ", ")+" or "+others[last]))
	}
	return usual
}

// choice reports whether a parameter has its other value and not the usual one.
func (p *parameters) choice(name, usual, other string) bool {
	return p.oneOf(name, usual, other) == other
}

// duration returns a length of time, 0 for none.
func (p *parameters) duration(name string) time.Duration {
	value := p.get(name)
	if value == "" {
		return 0
	}
	d, ok := parseDuration(value)
	if !ok {
		p.fail(malformed(name, value, durationForm))
	}
	return d
}

func (p *parameters) fail(bad *problem) {
	if p.bad == nil {
		p.bad = bad
	}
}

// durationForm is what to write for a length of time.
const durationForm = "a duration such as 500ms, 30s or 1h30m, or a number of seconds"

// parseDuration reads the one form of a length of time that all parameters and headers have: Go's, or whole seconds alone, which is how
// RFC 8030 writes a TTL (section 5.2). A length below 0 is not ok.
func parseDuration(text string) (d time.Duration, ok bool) {
	if last := len(text) - 1; last >= 0 && isDigit(text[last]) {
		seconds, err := strconv.ParseUint(text, 10, 32)
		return time.Duration(seconds) * time.Second, err == nil
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}

func malformed(name, value, want string) *problem {
	return refuse(http.StatusBadRequest, "parameter_malformed", "%s=%s: write %s", name, quote(value), want)
}

// quote shortens and quotes what a client sent, for a message back to it.
func quote(s string) string { return "`" + shorten(s) + "`" }

// shorten returns what a client sent as text of at most maxQuoted bytes and an ellipsis.
func shorten(s string) string {
	if len(s) > maxQuoted {
		s = s[:maxQuoted] + "…"
	}
	return strings.ToValidUTF8(s, string(utf8.RuneError))
}
