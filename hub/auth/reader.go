package auth

import (
	"crypto/sha256"
	"slices"
	"sync/atomic"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// Reader is who may read what. What it is never changes.
type Reader struct {
	anonymous bool
	issuer    string
	subject   string
	claims    []byte // of its token, to find its grants under another configuration
	key       string // print of the one that verified them
	expiry    time.Time
	grants    []event.Selector
	// ticket is what the reader's ticket is for; nil for a reader that came with its token.
	ticket []event.Selector
	// rules that gave the grants; nil for one that was let in before.
	rules *grantRules
	// identity of one that was let in; the others' is made when it is asked for.
	identity string
	// admitted is what Admitted returns, once it has been asked.
	admitted atomic.Pointer[Reader]
}

// MayRead says whether one of the reader's grants contains all that a selector chooses, and its ticket too if it came with one.
// Grants are not added up: a selector that only two of them together hold is not granted.
func (r *Reader) MayRead(s event.Selector) bool {
	if r.anonymous {
		return true
	}
	return within(r.grants, s) && (r.ticket == nil || within(r.ticket, s))
}

func within(grants []event.Selector, s event.Selector) bool {
	return slices.ContainsFunc(grants, func(g event.Selector) bool { return g.Contains(s) })
}

// Identity is one of its issuer, by the token's subject; a token without one is its own identity. It is empty for an anonymous
// reader. It is not for people and not for logs.
func (r *Reader) Identity() string {
	switch {
	case r.anonymous:
		return ""
	case r.identity != "":
		return r.identity
	case r.subject == "":
		digest := sha256.Sum256(r.claims)
		return r.issuer + "\x00\x00" + string(digest[:])
	default:
		return r.issuer + "\x00" + r.subject
	}
}

// Until is when the reader's token ends for the hub: at its expiry and a little later, since clocks differ. It is zero for never.
func (r *Reader) Until() time.Time {
	if r.anonymous {
		return time.Time{}
	}
	return r.expiry.Add(leeway)
}

// Admitted is what Granted, Until and Identity need of a reader that has been let in. It may read nothing by itself, since what a token
// grants takes much of the memory of a reader that is connected. Connections with the same token share it.
func (r *Reader) Admitted() *Reader {
	if a := r.admitted.Load(); a != nil {
		return a
	}
	a := &Reader{anonymous: r.anonymous, issuer: r.issuer, claims: r.claims, expiry: r.expiry, ticket: r.ticket, identity: r.Identity()}
	r.admitted.Store(a)
	return a
}

// Granted says whether a reader that was let in before, under whatever configuration, may still read all that it chose. A token's
// signature is not verified again, since an issuer may have taken a key back that only signs no more; the connection ends with
// its token at the latest.
func (s *Subscribers) Granted(r *Reader, chosen []event.Selector) bool {
	if s.anonymous {
		return true
	}
	i := s.issuers[r.issuer]
	if i == nil { // an anonymous reader has no issuer
		return false
	}
	c, err := readClaims(r.claims)
	if err != nil || !slices.ContainsFunc(i.audiences, c.Audience.Contains) {
		return false
	}
	now := i.reader(c)
	now.ticket = r.ticket
	return !slices.ContainsFunc(chosen, func(s event.Selector) bool { return !now.MayRead(s) })
}

// reader of a token whose claims hold.
func (i *tokenIssuer) reader(c tokenClaims) *Reader {
	return &Reader{
		issuer: i.name, subject: c.Subject, claims: c.raw, expiry: c.Expiry.Time(), grants: i.rules.grants(allClaims(c.raw)), rules: &i.rules,
	}
}
