package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/runnel-dev/runnel/hub/event"
)

const (
	// MaxClaimBytes bounds the path of a claim: names that are URLs (RFC 7519, section 4.2) are rarely longer.
	MaxClaimBytes = 64
	// maxTemplateBytes is a topic in which every token is a claim, with its braces.
	maxTemplateBytes = event.MaxTopicBytes + event.MaxTopicTokens*(MaxClaimBytes+2)
	// filled stands for a claim's value while a template is checked.
	filled = "value"
)

// Template is a topic or a pattern in which {claim} stands for one whole token: the value of that claim of a reader's token.
type Template struct {
	text   string
	tokens []TemplateToken
}

// TemplateToken is a token of a template. Exactly one of its fields is set.
type TemplateToken struct {
	// Text is the token as it is, a wildcard too.
	Text string
	// Claim is the path of the claim whose value is the token, its parts parted by dots.
	Claim string
}

// ParseTemplate reads a topic, a pattern or a template, such as users.{sub}.>. A claim is a whole token, and a topic filled in by
// it has at most 16 tokens; how long it becomes is for who fills it in to check. The error says what a right one looks like.
func ParseTemplate(s string) (Template, error) {
	if len(s) > maxTemplateBytes {
		return Template{}, fmt.Errorf("template of %d bytes: write at most %d", len(s), maxTemplateBytes)
	}
	t := Template{text: s}
	sample := []string{} // the template with each claim filled in
	for rest, more := s, true; more; {
		token, claim, err := "", "", error(nil)
		token, claim, rest, more, err = cutToken(rest)
		if err != nil {
			return Template{}, fmt.Errorf("template %q: %w", s, err)
		}
		t.tokens = append(t.tokens, TemplateToken{Text: token, Claim: claim})
		if claim != "" {
			token = filled
		}
		sample = append(sample, token)
	}
	if _, err := event.ParseSelector(strings.Join(sample, ".")); err != nil {
		if t.Claims() {
			err = fmt.Errorf("template %q, filled in: %w", s, err)
		}
		return Template{}, err
	}
	return t, nil
}

// cutToken takes the first token off a template: a dot inside braces belongs to the claim.
func cutToken(s string) (token, claim, rest string, more bool, err error) {
	if inside, braced := strings.CutPrefix(s, "{"); braced {
		claim, rest, closed := strings.Cut(inside, "}")
		rest, more = strings.CutPrefix(rest, ".")
		if !closed || rest != "" && !more {
			return "", "", "", false, fmt.Errorf("{%s is no whole token: write one claim in braces and nothing beside it, such as users.{sub}.>", inside)
		}
		return "", claim, rest, more, ValidateClaim(claim)
	}
	token, rest, more = strings.Cut(s, ".")
	if strings.ContainsAny(token, "{}") {
		err = fmt.Errorf("token %q is text and a claim: write one claim in braces and nothing beside it, such as users.{sub}.>", token)
	}
	return token, "", rest, more, err
}

// ValidateClaim checks the path of a claim: 1 to 64 bytes of A-Z a-z 0-9 _ . : / -, its parts parted by single dots.
func ValidateClaim(path string) error {
	if len(path) > MaxClaimBytes {
		return fmt.Errorf("claim of %d bytes: write at most %d", len(path), MaxClaimBytes)
	}
	if strings.ContainsFunc(path, notClaimRune) || slices.Contains(strings.Split(path, "."), "") {
		return fmt.Errorf("claim %q is malformed: write names of A-Z a-z 0-9 _ : / - parted by '.', such as sub or runnel.topics", path)
	}
	return nil
}

func notClaimRune(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("_.:/-", r):
		return false
	}
	return true
}

// String is the template as it was written.
func (t Template) String() string { return t.text }

// Tokens of the template; not to be changed.
func (t Template) Tokens() []TemplateToken { return t.tokens }

// Claims says whether the template has any claim; one without is a topic or a pattern.
func (t Template) Claims() bool {
	return slices.ContainsFunc(t.tokens, func(t TemplateToken) bool { return t.Claim != "" })
}
