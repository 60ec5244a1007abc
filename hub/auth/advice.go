package auth

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/runnel-dev/runnel/hub/event"
)

// maxShown bounds what a refusal lists: people read no more.
const maxShown = 8

// shown lists texts for a person.
func shown(texts []string) string {
	if len(texts) == 0 {
		return "nothing"
	}
	all := strings.Join(texts[:min(len(texts), maxShown)], ", ")
	if more := len(texts) - maxShown; more > 0 {
		all += fmt.Sprintf(" and %d more", more)
	}
	return all
}

func texts(selectors []event.Selector) (out []string) {
	for _, s := range selectors {
		out = append(out, s.String())
	}
	return out
}

// Grants are the topics and patterns that the reader may read, by its ticket if it came with one.
func (r *Reader) Grants() []event.Selector {
	if r.ticket != nil {
		return r.ticket
	}
	return r.grants
}

// Advice says what to do about a selector that the reader may not read: what it may read instead, and which claims its token lacks. It holds
// values of the reader's own claims, and is for the reader alone.
func (r *Reader) Advice(s event.Selector) string {
	if r.ticket != nil && !within(r.ticket, s) {
		return "your ticket is for " + shown(texts(r.ticket)) + ": ask POST /v1/tickets for a ticket that holds it"
	}
	advice := "your token may read " + shown(texts(r.grants))
	if r.rules != nil {
		advice += r.rules.missing(allClaims(r.claims))
	}
	if len(r.grants) > 0 && !s.Exact() {
		advice += "; a pattern needs one grant for all that it stands for"
	}
	return advice
}

// missing says why rules grant a token no more than they do.
func (r *grantRules) missing(claims map[string]any) string {
	if r.claim != "" {
		return r.missingFromClaim(claims)
	}
	var flaws []string
	for _, t := range r.templates {
		if _, flaw := fill(t, claims); flaw != "" {
			flaws = append(flaws, t.String()+" ("+flaw+")")
		}
	}
	if len(flaws) == 0 {
		return ""
	}
	return "; nothing is granted by " + shown(flaws)
}

func (r *grantRules) missingFromClaim(claims map[string]any) string {
	listed, ok := r.listed(claims)
	malformed := slices.IndexFunc(listed, func(entry any) bool {
		text, _ := entry.(string)
		_, err := event.ParseSelector(text)
		return err != nil
	})
	switch ask := ": ask its issuer for one whose claim " + r.claim + " lists it"; {
	case claimAt(claims, r.claim) == nil:
		return ", since its claim " + r.claim + " is missing" + ask
	case !ok:
		return ", since its claim " + r.claim + " is no list of topics" + ask
	case len(listed) > maxClaimTopics:
		return fmt.Sprintf("; its claim %s lists more topics than the %d that count: ask its issuer for one with fewer, or with patterns", r.claim, maxClaimTopics)
	case malformed >= 0:
		return fmt.Sprintf("; entry %d of its claim %s is no topic or pattern", malformed, r.claim) + ask
	default:
		return ask
	}
}

// allClaims reads claims to look for those that rules name; nil when they are no object, and nothing is granted.
func allClaims(raw []byte) (all map[string]any) {
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	return all
}

// Grants are the topics and patterns that the publisher may publish to.
func (p *Publisher) Grants() []event.Selector { return p.topics }

// Advice says what to do about a topic that the publisher may not publish to.
func (p *Publisher) Advice() string {
	return "it may publish to " + shown(texts(p.topics)) + ": grant it more in spec.auth.publishers"
}
