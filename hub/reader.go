package hub

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/fanout"
)

// bearer is the scheme of all credentials in headers (RFC 6750).
const bearer = "Bearer"

// admission is a reader that was let in.
type admission struct {
	hub *Hub
	who *auth.Reader
	sub *eventlog.Subscription
	// under is the hash of the configuration that let it in, and not that state itself, which a reader must not keep in memory.
	under string
}

// Granted implements fanout.Owner.
func (a *admission) Granted() bool {
	now := a.hub.state.Load()
	return now.hash == a.under || now.subscribers.Granted(a.who, a.sub.Selectors())
}

// Left implements fanout.Owner.
func (a *admission) Left(reason fanout.Reason) {
	a.leave()
	a.say(reason)
}

// leave gives the reader's place back.
func (a *admission) leave() {
	a.hub.identities.leave(a.who.Identity())
	a.hub.taken.Add(-1)
}

func (a *admission) say(reason fanout.Reason) {
	if logger := a.hub.logger; logger.Enabled(context.Background(), slog.LevelDebug) {
		logger.Debug("reader left", "reason", reason, "topics", texts(a.sub.Selectors()))
	}
}

func texts(selectors []event.Selector) (out []string) {
	for _, s := range selectors {
		out = append(out, s.String())
	}
	return out
}

// letIn decides whether a reader gets what it asks for, in an order that tells nobody more than it may know: who it is, what it
// may read, whether that exists, and whether there is a place.
func (h *Hub) letIn(w http.ResponseWriter, r *http.Request, q query) (*admission, *problem) {
	s := h.state.Load()
	who, bad := h.reader(s, w, r, q)
	if bad != nil {
		return nil, bad
	}
	for _, selector := range q.selectors {
		if !who.MayRead(selector) {
			return nil, h.mayNotRead(who, selector)
		}
	}
	if err := h.log.Declared(q.selectors); err != nil {
		return nil, h.undeclaredTo(who, err)
	}
	who = who.Admitted()
	if bad := h.admit(who.Identity()); bad != nil {
		return nil, bad
	}
	return &admission{hub: h, who: who, under: s.hash}, nil
}

// reader finds out who reads. A cookie is only ever a credential for reading: a page that makes a browser send it makes the hub do
// nothing, and cannot read the answer unless its origin is allowed.
func (h *Hub) reader(s *state, w http.ResponseWriter, r *http.Request, q query) (*auth.Reader, *problem) {
	if s.subscribers.Anonymous() {
		return h.authenticate(s, r, auth.Credentials{})
	}
	c := auth.Credentials{
		Authorization: r.Header.Get("Authorization"),
		Ticket:        q.ticket,
		Query:         q.token,
		Origin:        r.Header.Get("Origin"),
		ComesBack:     q.start.Cursor != "",
		TurnedAway:    h.turningAway.since(h.now(), h.backWithin()),
	}
	w.Header().Add("Vary", "Authorization")
	if name := s.subscribers.Cookie(); name != "" {
		w.Header().Add("Vary", "Cookie")
		if cookie, err := r.Cookie(name); err == nil {
			c.Cookie = cookie.Value
		}
	}
	_, byFront := w.(*direct)
	unknown := byFront && s.subscribers.Unknown(c)
	if unknown && !h.forgeries.few() {
		return nil, passOn
	}
	who, bad := h.authenticate(s, r, c)
	if unknown && bad != nil {
		h.forgeries.count(bad)
	}
	return who, bad
}

func (h *Hub) authenticate(s *state, r *http.Request, c auth.Credentials) (*auth.Reader, *problem) {
	who, err := s.subscribers.Authenticate(r.Context(), c)
	switch {
	case err == nil:
		return who, nil
	case errors.Is(err, auth.ErrNotReady):
		return nil, h.notReady(err)
	case errors.Is(err, auth.ErrOrigin):
		return nil, refuse(http.StatusForbidden, "origin_not_allowed", "%v than %s: ask POST /v1/tickets for one from the page that uses it", err, quote(c.Origin))
	case errors.Is(err, auth.ErrMissing):
		return nil, refuse(http.StatusUnauthorized, credentialMissing, "%v", err).challenged(realm(s), "")
	case errors.Is(err, auth.ErrTicket):
		return nil, refuse(http.StatusUnauthorized, "ticket_refused", "%v", err).challenged(realm(s), invalidToken)
	default:
		return nil, refuse(http.StatusUnauthorized, tokenRefused, "%v", err).challenged(realm(s), invalidToken)
	}
}

// realm is what a reader's credential is for (RFC 9110, section 11.5).
func realm(s *state) string { return s.config.Stream.Namespace + "/" + s.config.Stream.Name }

// notReady is the answer while credentials cannot be verified.
func (h *Hub) notReady(err error) *problem {
	p := refuse(http.StatusServiceUnavailable, "not_ready", "%v: come back after the time in Retry-After", err).later(h.pool.Retry())
	p.turnedAway = forKeys
	return p
}

// Codes of requests without any credential, and with a token that is of no use.
const (
	credentialMissing = "credential_missing"
	tokenRefused      = "token_refused"
)

// invalidToken is the error code for a credential that is there and not good (RFC 6750, section 3.1).
const invalidToken = "invalid_token"

// maxDescription bounds an error_description, which may name 16 issuers of 2 KiB: nginx takes an answer's headers of 4 KiB at most. The
// body has all of it.
const maxDescription = 512

// challenged adds how to authenticate (RFC 6750, section 3). A request without any credential is told no error code.
func (p *problem) challenged(realm, code string) *problem {
	p.challenge = bearer + ` realm="` + realm + `"`
	if code != "" {
		p.challenge += `, error="` + code + `", error_description="` + strings.Map(describable, p.Detail[:min(len(p.Detail), maxDescription)]) + `"`
	}
	return p
}

// describable keeps the characters that an error_description may have (RFC 6750, section 3).
func describable(r rune) rune {
	if r < ' ' || r > '~' || r == '"' || r == '\\' {
		return '\''
	}
	return r
}
