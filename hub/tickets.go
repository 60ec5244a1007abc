package hub

import (
	"errors"
	"net/http"
	"time"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/config"
)

const (
	ticketsPath = "/v1/tickets"
	// maxTicketRequest bounds a request's body: 64 selectors of 255 bytes take 16 KiB and a little, and some space is around them.
	maxTicketRequest = 32 << 10
)

// ticketRequest is the body of a request for a ticket.
type ticketRequest struct {
	// Topics are the topics and patterns that the ticket is for.
	Topics []string `json:"topics"`
	// Origin of the only pages that may use it; empty is that of the page which asks, if a page asks.
	Origin string `json:"origin"`
}

// ticketAnswer is a ticket.
type ticketAnswer struct {
	Ticket string `json:"ticket"`
	// ExpiresAt is when the token does that it was made by; until then it opens for readers that come back.
	ExpiresAt time.Time `json:"expiresAt"`
	// OpenWithinSeconds is how long it opens for a reader that comes for the first time.
	OpenWithinSeconds int `json:"openWithinSeconds"`
}

// serveTickets makes tickets, for pages whose EventSource can send no header. Only an Authorization header is a credential here: a
// browser sends none by itself, so no other page can make it ask for a ticket.
func (h *Hub) serveTickets(w http.ResponseWriter, r *http.Request) *problem {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.body))
	if bad := h.checkOrigin(w, r); bad != nil {
		return bad
	}
	s := h.state.Load()
	if !s.subscribers.Tickets() {
		return refuse(http.StatusNotFound, "tickets_not_offered", "this stream has no tickets: set spec.auth.subscribers.jwt.tickets, or read without one")
	}
	switch r.Method {
	case http.MethodOptions:
		preflight(w, "POST")
		return nil
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "POST, OPTIONS")
		return refuse(http.StatusMethodNotAllowed, "method_not_allowed", "POST here for a ticket, with the topics that it is for")
	}
	who, bad := h.authenticate(s, r, auth.Credentials{Authorization: r.Header.Get("Authorization")})
	if bad != nil && bad.Code == credentialMissing {
		bad.Detail = "no credential: a ticket is made by the Authorization header alone, send `Authorization: Bearer <token>`"
	}
	if bad != nil {
		return bad
	}
	asked, bad := readTicketRequest(w, r)
	if bad != nil {
		return bad
	}
	ticket, bad := h.ticket(s, who, asked)
	if bad != nil {
		return bad
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, ticketAnswer{ticket.Text, ticket.Expires.UTC(), int(auth.TicketWindow.Seconds())})
	return nil
}

func (h *Hub) ticket(s *state, who *auth.Reader, asked ticketRequest) (auth.Ticket, *problem) {
	if len(asked.Topics) == 0 {
		return auth.Ticket{}, refuse(http.StatusBadRequest, "topic_missing", `no topic: write {"topics":["orders","prices.*"]}`)
	}
	selectors, bad := readSelectors(asked.Topics)
	if bad != nil {
		return auth.Ticket{}, bad
	}
	for _, selector := range selectors {
		if !who.MayRead(selector) {
			return auth.Ticket{}, h.mayNotRead(who, selector)
		}
	}
	if err := h.log.Declared(selectors); err != nil {
		return auth.Ticket{}, h.undeclaredTo(who, err)
	}
	ticket, err := s.subscribers.Ticket(who, selectors, asked.Origin)
	switch {
	case errors.Is(err, auth.ErrTicketLong):
		return ticket, refuse(http.StatusBadRequest, "ticket_too_long", "%v", err)
	case err != nil:
		return ticket, h.notReady(auth.ErrNotReady)
	}
	return ticket, nil
}

func readTicketRequest(w http.ResponseWriter, r *http.Request) (asked ticketRequest, bad *problem) {
	body, bad := readChoice(w, r, maxTicketRequest)
	if bad != nil {
		return asked, bad
	}
	if err := decodeJSON(body, &asked); err != nil {
		return asked, refuse(http.StatusBadRequest, "body_malformed", `the body is not readable (%v): write {"topics":["orders","prices.*"]}, and "origin" besides if need be`, err)
	}
	if asked.Origin == "" {
		asked.Origin = r.Header.Get("Origin")
		return asked, nil
	}
	if _, ok := config.ParseOrigin(asked.Origin); !ok {
		return asked, refuse(http.StatusBadRequest, "origin_malformed", "origin %s: write one as browsers send it, such as https://shop.example", quote(asked.Origin))
	}
	return asked, nil
}
