package hub

import (
	"net/http"

	"github.com/runnel-dev/runnel/hub/config"
)

const (
	// pageHeaders are the request headers that pages of other origins may send: those that the hub reads, and those that libraries for fetching
	// and tracing add without being asked. A browser drops the whole request for a single one that is missing here.
	pageHeaders = "Accept, Authorization, Cache-Control, Content-Type, Last-Event-ID, " +
		"Pragma, X-Requested-With, X-Request-ID, Request-ID, Request-Context, " +
		"Traceparent, Tracestate, Baggage, Sentry-Trace, B3, X-B3-TraceId, X-B3-SpanId, X-B3-ParentSpanId, X-B3-Sampled, X-B3-Flags, " +
		"X-Datadog-Origin, X-Datadog-Parent-Id, X-Datadog-Sampling-Priority, X-Datadog-Trace-Id, NewRelic, Uber-Trace-Id, Elastic-Apm-Traceparent"
	// answerHeaders are those that pages of other origins may read.
	answerHeaders = "Runnel-Resume, Runnel-Cursor, Retry-After"
	// preflightSeconds is how long a browser remembers what it may send.
	preflightSeconds = "600"
)

// allowOrigin sets the headers by which a browser lets its page read the answer (Fetch, section 3.2), on errors too, and reports whether the
// page's origin may read at all.
func allowOrigin(w http.ResponseWriter, r *http.Request, c config.CORS) bool {
	header := w.Header()
	header.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
		return true
	case c.AllowsEvery():
		header.Set("Access-Control-Allow-Origin", "*")
	case c.Allows(origin):
		header.Set("Access-Control-Allow-Origin", origin)
		if c.AllowCredentials {
			header.Set("Access-Control-Allow-Credentials", "true")
		}
	default:
		return isOwnPage(r, origin)
	}
	header.Set("Access-Control-Expose-Headers", answerHeaders)
	return true
}

// isOwnPage reports whether a page of the hub's own origin asks, which needs no permission. A browser says so in Sec-Fetch-Site (Fetch Metadata,
// section 2.3), which no page can set, and which holds where a proxy has rewritten the Host header.
func isOwnPage(r *http.Request, origin string) bool {
	if r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return true
	}
	o, ok := config.ParseOrigin(origin)
	return ok && o.IsOf(r.Host)
}

// checkOrigin lets pages of allowed origins read the answer, whatever it is, and refuses others.
func (h *Hub) checkOrigin(w http.ResponseWriter, r *http.Request) *problem {
	if !allowOrigin(w, r, h.state.Load().config.CORS) {
		return refuse(http.StatusForbidden, "origin_not_allowed", "pages of %s may not read this stream: add the origin to spec.cors.allowedOrigins", quote(r.Header.Get("Origin")))
	}
	return nil
}

// preflight answers what a browser asks before it sends a method or headers of its own.
func preflight(w http.ResponseWriter, methods string) {
	header := w.Header()
	header.Set("Access-Control-Allow-Methods", methods)
	header.Set("Access-Control-Allow-Headers", pageHeaders)
	header.Set("Access-Control-Max-Age", preflightSeconds)
	w.WriteHeader(http.StatusNoContent)
}
