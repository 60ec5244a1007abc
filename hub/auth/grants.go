package auth

import (
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

// grants returns the selectors that a token's claims fill the rules with.
func (r grantRules) grants(claims map[string]any) (out []event.Selector) {
	for _, t := range r.templates {
		if s, flaw := fill(t, claims); flaw == "" {
			out = append(out, s)
		}
	}
	listed, _ := r.listed(claims)
	for _, l := range listed[:min(len(listed), maxClaimTopics)] {
		text, _ := l.(string)
		if s, err := event.ParseSelector(text); err == nil {
			out = append(out, s)
		}
	}
	return out
}

// listed returns what the rules' claim lists, and whether it is there in a form that can be read. A text is a list of one.
func (r grantRules) listed(claims map[string]any) (all []any, ok bool) {
	if r.claim == "" {
		return nil, false
	}
	value := claimAt(claims, r.claim)
	if one, ok := value.(string); ok {
		return []any{one}, true
	}
	all, ok = value.([]any)
	return all, ok
}

// fill puts claims into a template. Each fills exactly one token, whatever its value. A template that needs a claim which is not
// there, is empty or is no text grants nothing, and so does one that becomes too long for a topic: the flaw says why.
func fill(t config.Template, claims map[string]any) (s event.Selector, flaw string) {
	var tokens []string
	for _, token := range t.Tokens() {
		text := token.Text
		if token.Claim != "" {
			claim := claimAt(claims, token.Claim)
			value, isText := claim.(string)
			switch {
			case claim == nil:
				return s, "its claim " + token.Claim + " is missing"
			case !isText, strings.ContainsRune(value, '\uFFFD'): // what was no text was read as U+FFFD, and two such values are not the same
				return s, "its claim " + token.Claim + " is no text"
			case value == "":
				return s, "its claim " + token.Claim + " is empty"
			}
			text = event.EscapeToken(value)
		}
		tokens = append(tokens, text)
	}
	s, err := event.ParseSelector(strings.Join(tokens, "."))
	if err != nil {
		return event.Selector{}, "it is longer than a topic may be with its claims"
	}
	return s, ""
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
