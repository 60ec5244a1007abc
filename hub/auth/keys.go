package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/runnel-dev/runnel/hub/config"
)

// minKeyBytes of a key: what 128 random bits take, in whatever form.
const minKeyBytes = 16

// keyPrefix marks publishers that have a key, so that none is taken for a ServiceAccount.
const keyPrefix = "key:"

// keys are tokens that do not change by themselves.
type keys struct {
	known      []key
	incomplete bool // the token of at least one is missing
}

// key is a token by its digest: digests are equally long, and what compares them tells nothing about the token.
type key struct {
	digest    [sha256.Size]byte
	publisher Publisher
}

// newKeys reads the tokens. It fails when topics cannot be read; a token that is missing or of no use is left out.
func newKeys(cs []config.Key, l *lookup) (*keys, error) {
	ks := &keys{}
	for _, c := range cs {
		topics, err := selectors(c.Topics)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", c.Name, err)
		}
		found := l.get(c.Token, func(content []byte) error {
			token := bytes.TrimSpace(content)
			if err := validateKey(token); err != nil {
				return err
			}
			if _, taken := ks.find(sha256.Sum256(token)); taken {
				return fmt.Errorf("key %s has the token of another: put a token of its own there", c.Name)
			}
			ks.known = append(ks.known, key{sha256.Sum256(token), Publisher{Name: keyPrefix + c.Name, topics: topics}})
			return nil
		})
		ks.incomplete = ks.incomplete || !found
	}
	return ks, nil
}

// validateKey checks that a token is hard to guess by its length, and can be sent in a header at all.
func validateKey(token []byte) error {
	switch {
	case len(token) < minKeyBytes:
		return fmt.Errorf("a key of %d bytes: put at least %d random ones there, such as of `openssl rand -hex 32`", len(token), minKeyBytes)
	case len(token) > maxTokenBytes:
		return fmt.Errorf("a key of %d bytes: put at most %d there", len(token), maxTokenBytes)
	case bytes.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("the key is no single word of ASCII: put one there, such as of `openssl rand -hex 32`")
	}
	return nil
}

// none says whether the configuration has no keys at all.
func (ks *keys) none() bool { return len(ks.known) == 0 && !ks.incomplete }

// find looks at every key, so that its time tells nothing of which one it was.
func (ks *keys) find(digest [sha256.Size]byte) (Publisher, bool) {
	found := -1
	for i := range ks.known {
		same := subtle.ConstantTimeCompare(ks.known[i].digest[:], digest[:])
		found = subtle.ConstantTimeSelect(same, i, found)
	}
	if found < 0 {
		return Publisher{}, false
	}
	return ks.known[found].publisher, true
}
