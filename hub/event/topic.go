package event

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of a topic.
const (
	MaxTopicBytes  = 255
	MaxTopicTokens = 16
)

// Tokens that stand for others.
const (
	OneToken   = "*"
	ManyTokens = ">"
)

// ValidateTopic checks the form of a topic: tokens of A-Z a-z 0-9 _ ~ - parted by dots, at most 255 bytes and 16 tokens.
func ValidateTopic(s string) error {
	if isTopic(s) {
		return nil
	}
	sel, err := ParseSelector(s)
	if err == nil && !sel.Exact() {
		return fmt.Errorf("topic %s holds a wildcard: write one topic", quoted(s))
	}
	return err
}

// isTopic says whether a text is a topic. It takes no memory, since each event that is published is asked for.
func isTopic(s string) bool {
	tokens, start := 1, 0
	for i, r := range s {
		switch {
		case r == '.' && i > start:
			tokens, start = tokens+1, i+1
		case notTokenRune(r):
			return false
		}
	}
	return len(s) > start && len(s) <= MaxTopicBytes && tokens <= MaxTopicTokens
}

// Selector is a topic or a pattern: `*` stands for one token, a last `>` for one or more.
type Selector struct {
	text   string
	tokens []string
	prefix string // of every topic that it chooses: what comes before its first wildcard
}

// ParseSelector reads a topic or a pattern. The error says what a right one looks like.
func ParseSelector(s string) (Selector, error) {
	if len(s) > MaxTopicBytes {
		return Selector{}, fmt.Errorf("topic of %d bytes: write at most %d", len(s), MaxTopicBytes)
	}
	tokens := strings.Split(s, ".")
	if len(tokens) > MaxTopicTokens {
		return Selector{}, fmt.Errorf("topic %s has %d tokens: write at most %d", quoted(s), len(tokens), MaxTopicTokens)
	}
	for i, t := range tokens {
		wild := t == OneToken || t == ManyTokens && i == len(tokens)-1
		if !wild && (t == "" || strings.ContainsFunc(t, notTokenRune)) {
			return Selector{}, malformed(s, t)
		}
	}
	prefix := s
	if i := strings.IndexAny(s, OneToken+ManyTokens); i >= 0 {
		prefix = s[:i]
	}
	return Selector{text: s, tokens: tokens, prefix: prefix}, nil
}

// malformed says what a topic with a bad token would have to be. Most of them are made of values, such as addresses.
func malformed(s, token string) error {
	if strings.ContainsAny(token, "{}") {
		return fmt.Errorf("topic %s is malformed: write the value of a claim in place of its name in braces, which stands for one in the topics of a token's issuer alone", quoted(s))
	}
	i := strings.IndexFunc(token, notTokenRune)
	if i < 0 || strings.ContainsAny(token, OneToken+ManyTokens) {
		return fmt.Errorf("topic %s is malformed: write tokens of A-Z a-z 0-9 _ ~ - parted by '.', such as orders.eu; '*' stands for one whole token, a last '>' for one or more", quoted(s))
	}
	_, size := utf8.DecodeRuneInString(token[i:])
	character := token[i : i+size]
	return fmt.Errorf("topic %s is malformed: write %s for %s. Topics are tokens of A-Z a-z 0-9 _ ~ - parted by '.'; a value is one token with each other byte, and '.' and '~', as ~ and two hexadecimal digits: "+
		"alice@shop.example is alice~40shop~2Eexample", quoted(s), EscapeToken(character), strconv.Quote(character))
}

// EscapeToken writes a value as one literal token: bytes outside A-Z a-z 0-9 _ - become ~ and their two upper-case hexadecimal digits.
// Different values are different tokens. An empty value is no token.
func EscapeToken(value string) string {
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; c != '~' && !notTokenRune(rune(c)) {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "~%02X", value[i])
	}
	return b.String()
}

// quoted is what a message shows of a text that may be anything.
func quoted(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}

func notTokenRune(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '~', r == '-':
		return false
	}
	return true
}

// String is the selector as it was written.
func (s Selector) String() string { return s.text }

// Tokens of the selector; not to be changed.
func (s Selector) Tokens() []string { return s.tokens }

// Exact says whether the selector names a single topic.
func (s Selector) Exact() bool {
	return !slices.Contains(s.tokens, OneToken) && s.tokens[len(s.tokens)-1] != ManyTokens
}

// Match says whether the selector chooses a topic.
func (s Selector) Match(topic string) bool {
	if !strings.HasPrefix(topic, s.prefix) { // most end here, at little cost
		return false
	}
	for i, want := range s.tokens {
		if want == ManyTokens {
			return topic != ""
		}
		got, rest, more := strings.Cut(topic, ".")
		if got == "" || want != OneToken && want != got {
			return false
		}
		if last := i == len(s.tokens)-1; last || !more {
			return last && !more
		}
		topic = rest
	}
	return false
}

// Overlaps says whether there is a topic that both selectors choose.
func (s Selector) Overlaps(o Selector) bool {
	for i := 0; i < len(s.tokens) && i < len(o.tokens); i++ {
		a, b := s.tokens[i], o.tokens[i]
		if a == ManyTokens || b == ManyTokens {
			return true
		}
		if a != OneToken && b != OneToken && a != b {
			return false
		}
	}
	return len(s.tokens) == len(o.tokens)
}

// Compare orders selectors by precedence, the one that wins first: an exact one, then more literal tokens, then `*` before
// `>`, then by their text, so that the order never depends on a list's.
func (s Selector) Compare(o Selector) int {
	return cmp.Or(
		cmp.Compare(s.rank(), o.rank()),
		cmp.Compare(o.literals(), s.literals()),
		cmp.Compare(s.open(), o.open()),
		cmp.Compare(s.text, o.text),
	)
}

func (s Selector) rank() int {
	if s.Exact() {
		return 0
	}
	return 1
}

func (s Selector) literals() (n int) {
	for _, t := range s.tokens {
		if t != OneToken && t != ManyTokens {
			n++
		}
	}
	return n
}

func (s Selector) open() int {
	if s.tokens[len(s.tokens)-1] == ManyTokens {
		return 1
	}
	return 0
}
