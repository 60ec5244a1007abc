// Package peer is how the hubs of a stream hand over to each other, from one pod to the next: what they say, how they find each other, and
// why they believe each other. What a hub then does is package hub's. The package knows readers as little as HTTP's other users.
//
// # Who appends
//
// An epoch has one hub that appends, at any time. The right goes from hub to hub by take, which the leader grants once and for ever: it
// seals its log first, so it has stored nothing after the position that it answers with, and never will in that epoch unless another hub
// grants it the right in turn. Who asks appends only when it has that answer and all up to that position, once for each number that it
// asks by. An answer that is lost may be asked for again by the same number, and is the same. If it cannot be had, nobody appends in that
// epoch any more: the asker begins another one.
//
//	            finds nobody who leads                     is asked to take over
//	starting ──────────────────────────► leading ────────────────────────────────► following
//	    │  takes over from who leads        ▲ │                                       │  │
//	    └───────────────────────────────────┘ │        is offered the right back      │  │
//	                                      ▲   │ └─────────────◄───────────────────────┘  │
//	                                          │                                          │
//	                                          │ another hub leads in another epoch       │
//	                                          └──────────────────► superseded ◄──────────┘
//
// Starting: serves peers alone. Leading: appends. Following: copies the leader's log, passes on what is published, and keeps its readers.
// Superseded: passes on what is published, and lets its readers go, for the leader to tell them of the reset.
//
// A hub that missed a hand-over, since it did not answer, may believe that it leads. Who began another epoch meanwhile tells it, for as
// long as it is listed. Two that tell each other began at the same time: the one that started later leads.
//
// # Words on the wire
//
// HTTP/1.1 on the port for probes, bodies in CBOR (RFC 8949), every one of them bounded. Both sides show a token, and neither believes
// anything before it has verified the other's; the asker's own, sent back, is nobody's. A token travels in clear text, as those of
// publishers do: who can read the pods' network, or has the address that a hub had a moment ago, can use it for as long as it lives, on
// this port alone.
//
// The package has no lock but that of the tokens which it showed: a Server calls its Host from one goroutine for each request, and a Client is for any number.
package peer

import (
	"fmt"
	"net/http"
	"time"
)

// Version of the protocol. It is in each path and in the answer to each request for a state; another one is refused.
const Version = 1

// Prefix is what all paths of the protocol begin with, whatever the version.
const Prefix = "/peer/"

// Paths of version 1.
const (
	pathState      = "/peer/v1/state"
	pathLog        = "/peer/v1/log"
	pathTake       = "/peer/v1/take"
	pathAppend     = "/peer/v1/append"
	pathSuperseded = "/peer/v1/superseded"
	pathOffer      = "/peer/v1/offer"
)

const (
	// contentType is RFC 8949's, section 9.5.
	contentType = "application/cbor"
	// tokenHeader is the answering hub's own token.
	tokenHeader = "Runnel-Peer-Token"
)

const (
	// SignOfLife is how often a log says that it has nothing new.
	SignOfLife = time.Second
	// Silence is how long a peer may say nothing: five signs of life, so that one which is late ends nothing.
	Silence = 5 * SignOfLife
)

// Role is what a hub is to the others of its stream.
type Role string

// The roles.
const (
	Starting   Role = "starting"
	Leading    Role = "leading"
	Following  Role = "following"
	Superseded Role = "superseded"
)

// Roles are all roles, in the order in which a hub has them.
var Roles = [...]Role{Starting, Leading, Following, Superseded}

// Peer is a hub that can be asked.
type Peer struct {
	// Address is host:port of its port for probes.
	Address string `cbor:"1,keyasint"`
	// Instance is drawn anew by each process. An address may be another pod's tomorrow.
	Instance string `cbor:"2,keyasint"`
	// Started is when, in nanoseconds of Unix time by its own clock. It orders those who start at the same time, and nothing else.
	Started int64 `cbor:"3,keyasint"`
}

// Before says whether a peer started before another, by an order that is the same for all who look at both.
func (p Peer) Before(q Peer) bool {
	if p.Started != q.Started {
		return p.Started < q.Started
	}
	return p.Address < q.Address
}

// Refusal is an answer other than what was asked for, as an error.
type Refusal struct {
	// Status is HTTP's.
	Status int `cbor:"-"`
	// Code is one of the codes.
	Code string `cbor:"1,keyasint"`
	// Reason is for people.
	Reason string `cbor:"2,keyasint"`
	// Leader is who leads as far as the hub knows; the zero Peer is nobody.
	Leader Peer `cbor:"3,keyasint"`
	// Epoch of the hub that refuses.
	Epoch string `cbor:"4,keyasint"`
}

// Codes of refusals.
const (
	// CodeAlone: the hub has no peers, by its configuration or for want of a token.
	CodeAlone = "alone"
	// CodeVersion: it speaks another version.
	CodeVersion = "version"
	// CodeToken: it does not take the token.
	CodeToken = "token"
	// CodeMalformed: it does not understand the request.
	CodeMalformed = "malformed"
	// CodeEpoch: its epoch is another one.
	CodeEpoch = "epoch"
	// CodeNotLeading: it does not lead; Leader may.
	CodeNotLeading = "not_leading"
	// CodeLater: it cannot say yet, and may be asked again at once.
	CodeLater = "later"
)

// statuses of the codes.
var statuses = map[string]int{
	CodeAlone: http.StatusNotFound, CodeVersion: http.StatusNotFound, CodeToken: http.StatusUnauthorized, CodeMalformed: http.StatusBadRequest,
	CodeEpoch: http.StatusConflict, CodeNotLeading: http.StatusMisdirectedRequest, CodeLater: http.StatusServiceUnavailable,
}

// Refuse makes a Refusal.
func Refuse(code, format string, args ...any) *Refusal {
	return &Refusal{Status: statuses[code], Code: code, Reason: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Code == "" {
		return fmt.Sprintf("it answers %d", r.Status)
	}
	return fmt.Sprintf("it answers %d (%s): %s", r.Status, r.Code, r.Reason)
}
