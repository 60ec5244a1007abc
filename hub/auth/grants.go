package auth

import (
	"fmt"
	"strings"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
)

// maxClaimTopics bounds how many topics a claim may list; a stream has as many selectors at most for one reader.
const maxClaimTopics = 64

// grantRules say what the tokens of an issuer may read. The zero grantRules grant nothing.
type grantRules struct {
	templates []config.Template
	claim     string // path of the claim that lists topics; empty is none
}

func newGrantRules(i config.TokenIssuer) (r grantRules, err error) {
	for _, text := range i.Topics {
		t, err := config.ParseTemplate(text)
		if err != nil {
			return grantRules{}, err
		}
		r.templates = append(r.templates, t)
	}
	r.claim = i.TopicsClaim
	return r, nil
}

// grants are the selectors that a token's claims fill the rules with, and whether a claim lists more topics than count.
func (r grantRules) grants(claims map[string]any) (out []event.Selector, surplus bool) {
	for _, t := range r.templates {
		if s, ok := fill(t, claims); ok {
			out = append(out, s)
		}
	}
	if r.claim == "" {
		return out, false
	}
	listed, _ := claimAt(claims, r.claim).([]any)
	if one, ok := claimAt(claims, r.claim).(string); ok {
		listed = []any{one}
	}
	for _, l := range listed[:min(len(listed), maxClaimTopics)] {
		text, _ := l.(string)
		if s, err := event.ParseSelector(text); err == nil {
			out = append(out, s)
		}
	}
	return out, len(listed) > maxClaimTopics
}

// advice says to a reader what its issuer would have to write into a token. It holds nothing of the reader's own claims.
func (r grantRules) advice(surplus bool) string {
	if surplus {
		return fmt.Sprintf("your token's claim %s lists more topics than the %d that count, ask its issuer for one with fewer, or with patterns", r.claim, maxClaimTopics)
	}
	if r.claim != "" {
		return "ask its issuer for one whose claim " + r.claim + " lists it"
	}
	var texts []string
	for _, t := range r.templates {
		texts = append(texts, t.String())
	}
	return "tokens of its issuer may read " + strings.Join(texts, ", ")
}

// fill puts claims into a template. Each fills exactly one token, whatever its value. A template that needs a claim which is not
// there, is empty or is no text grants nothing, and so does one that becomes too long for a topic.
func fill(t config.Template, claims map[string]any) (event.Selector, bool) {
	var tokens []string
	for _, token := range t.Tokens() {
		text := token.Text
		if token.Claim != "" {
			value, _ := claimAt(claims, token.Claim).(string)
			if value == "" || strings.ContainsRune(value, '\uFFFD') {
				return event.Selector{}, false // what was no text was read as U+FFFD, and two such values are not the same
			}
			text = event.EscapeToken(value)
		}
		tokens = append(tokens, text)
	}
	s, err := event.ParseSelector(strings.Join(tokens, "."))
	return s, err == nil
}

// claimAt finds a claim by its path: the claim that is named so as a whole, dots and all, else what is inside the object that the
// path's first part names.
func claimAt(claims map[string]any, path string) any {
	if v, ok := claims[path]; ok {
		return v
	}
	first, rest, more := strings.Cut(path, ".")
	inside, ok := claims[first].(map[string]any)
	if !more || !ok {
		return nil
	}
	return claimAt(inside, rest)
}
