package hub

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/runnel-dev/runnel/hub/config"
)

// preflightSeconds is how long a browser remembers what it may send.
const preflightSeconds = "600"

// allowOrigin sets the headers by which a browser lets its page read the answer (Fetch, section 3.2), on errors too, and says
// whether the page's origin may read at all.
func allowOrigin(w http.ResponseWriter, r *http.Request, c config.CORS) bool {
	header := w.Header()
	header.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	switch {
	case slices.Contains(c.AllowedOrigins, "*"):
		header.Set("Access-Control-Allow-Origin", "*")
	case slices.Contains(c.AllowedOrigins, origin):
		header.Set("Access-Control-Allow-Origin", origin)
		if c.AllowCredentials {
			header.Set("Access-Control-Allow-Credentials", "true")
		}
	default:
		// A page of the hub's own origin needs no permission.
		u, err := url.Parse(origin)
		return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
	}
	header.Set("Access-Control-Expose-Headers", "Runnel-Resume, Runnel-Cursor, Retry-After")
	return true
}

// checkOrigin lets pages of allowed origins read the answer, whatever it is, and refuses others.
func (h *Hub) checkOrigin(w http.ResponseWriter, r *http.Request) *problem {
	if !allowOrigin(w, r, h.state.Load().config.CORS) {
		return refuse(http.StatusForbidden, "origin_not_allowed", "pages of %s may not read this stream: add the origin to spec.cors.allowedOrigins", quote(r.Header.Get("Origin")))
	}
	return nil
}

// preflight answers what a browser asks before it sends a method or headers of its own.
func preflight(w http.ResponseWriter, methods, headers string) {
	header := w.Header()
	header.Set("Access-Control-Allow-Methods", methods)
	header.Set("Access-Control-Allow-Headers", headers)
	header.Set("Access-Control-Max-Age", preflightSeconds)
	w.WriteHeader(http.StatusNoContent)
}
