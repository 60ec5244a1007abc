package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Origin is that of a web page or of an app (RFC 6454): what may differ in writing and means the same is written in one way.
type Origin struct {
	// Scheme and Host are in lower case.
	Scheme, Host string
	// Port is empty for the default of the scheme.
	Port string
}

// maxOriginBytes bounds an origin, as the resource's schema does.
const maxOriginBytes = 255

// originForm says how to write an origin.
const originForm = "write scheme, host, and port if it is not the default, as browsers send them, such as https://shop.example, https://*.shop.example for all hosts below, or capacitor://localhost; or *"

// ParseOrigin reads an origin as browsers send it. It is not ok for anything besides scheme, host and port, nor for the opaque origin, null.
func ParseOrigin(text string) (o Origin, ok bool) {
	scheme, rest, ok := strings.Cut(strings.Map(lower, text), "://")
	if !ok || !isScheme(scheme) || len(text) > maxOriginBytes {
		return Origin{}, false
	}
	host, port := rest, ""
	if colon := strings.LastIndexByte(rest, ':'); colon >= 0 && !strings.HasSuffix(rest, "]") {
		host, port = rest[:colon], rest[colon+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return Origin{}, false
		}
	}
	if !isHost(host) {
		return Origin{}, false
	}
	if scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		port = ""
	}
	return Origin{scheme, host, port}, true
}

// lower leaves letters beyond ASCII alone, some of which have one within it in lower case.
func lower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + ('a' - 'A')
	}
	return r
}

// isScheme reports whether a text in lower case is a scheme (RFC 3986, section 3.1).
func isScheme(s string) bool {
	const letters, others = "abcdefghijklmnopqrstuvwxyz", "0123456789+-."
	return s != "" && strings.IndexByte(letters, s[0]) >= 0 && strings.Trim(s, letters+others) == ""
}

// isHost reports whether a text in lower case is a host as browsers write it: a name, an address, or an IPv6 address in brackets.
func isHost(s string) bool {
	if address, bracket := strings.CutPrefix(s, "["); bracket {
		address, bracket = strings.CutSuffix(address, "]")
		ip, err := netip.ParseAddr(address)
		return bracket && err == nil && ip.Is6() && ip.Zone() == ""
	}
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == "" && s[0] != '.' && !strings.Contains(s, "..")
}

// IsOf reports whether a page of the origin was served under a request's Host header, whatever encryption a proxy has taken off before.
func (o Origin) IsOf(host string) bool {
	own, ok := ParseOrigin(o.Scheme + "://" + host)
	return ok && own == o && (o.Scheme == "https" || o.Scheme == "http")
}

// SameOrigin reports whether two Origin headers are of the same origin. All opaque ones, null, are taken for the same.
func SameOrigin(a, b string) bool {
	one, ok := ParseOrigin(a)
	other, alsoOK := ParseOrigin(b)
	return ok && alsoOK && one == other || a == b
}

// parseOriginRule reads an entry of CORS.AllowedOrigins that is not "*". With `*.` before its host it allows the hosts below that host.
func parseOriginRule(text string) (o Origin, below, ok bool) {
	before, after, below := strings.Cut(text, "://*.")
	if below {
		text = before + "://" + after
	}
	o, ok = ParseOrigin(text)
	if below && (o.Scheme != "https" && o.Scheme != "http" || strings.HasPrefix(o.Host, "[")) {
		return Origin{}, false, false
	}
	return o, below, ok
}

// AllowsEvery reports whether pages of every origin may read.
func (c CORS) AllowsEvery() bool { return slices.Contains(c.AllowedOrigins, "*") }

// Allows reports whether an entry other than "*" lets pages of an origin read. Like the wildcard of a Gateway's CORS filter, `*.` stands for
// any number of labels, and for at least one.
func (c CORS) Allows(origin string) bool {
	if slices.Contains(c.AllowedOrigins, origin) && origin != "*" { // most
		return true
	}
	o, ok := ParseOrigin(origin)
	return ok && slices.ContainsFunc(c.AllowedOrigins, func(text string) bool {
		rule, below, ok := parseOriginRule(text)
		if below && strings.HasSuffix(o.Host, "."+rule.Host) {
			rule.Host = o.Host
		} else if below {
			return false
		}
		return ok && rule == o
	})
}
