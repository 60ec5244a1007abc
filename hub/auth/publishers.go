// Package auth says who may publish and who may read what. It verifies tokens by keys that it is given or fetches, and asks nobody
// about a token.
package auth

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
)

// Problems of a credential, for errors.Is. Their texts are for who sent it and hold no part of a credential.
var (
	// ErrMissing says that there is no credential.
	ErrMissing = errors.New("no credential")
	// ErrRefused says that a credential is not good, or no longer.
	ErrRefused = errors.New("token is refused")
	// ErrNotReady says that a credential cannot be verified yet, since it is not known by what.
	ErrNotReady = errors.New("the keys to verify it by are not known yet")
)

// issuerKeys is what a hub waits for until the operator has read it from the cluster.
const issuerKeys = "keys of the cluster's token issuer"

// Publishers decides who may publish. It is made anew for each configuration, and when what it refers to changes.
type Publishers struct {
	anonymous bool
	everybody Publisher // when anonymous
	keys      *keys
	accounts  *accounts // nil when no ServiceAccount publishes
	grants    []grant
	missing   []string
	invalid   []Invalid
	verified  remembered[verified]
	now       func() time.Time
}

type verified struct {
	publisher Publisher
	until     time.Time
}

type grant struct {
	namespace, name string // an empty name is every one
	topics          []event.Selector
}

// Publisher is who a credential belongs to.
type Publisher struct {
	// Name is the ServiceAccount as the cluster writes it, "key:" and a key's name, or "anonymous".
	Name   string
	topics []event.Selector
}

// MayPublish says whether the publisher's grants hold a topic.
func (p *Publisher) MayPublish(topic string) bool {
	for _, s := range p.topics {
		if s.Match(topic) {
			return true
		}
	}
	return false
}

// NewPublishers reads a configuration with the issuers of the cluster's tokens, and by read what it refers to. It fails when issuers' keys or topics cannot be read. A key
// whose token is missing or of no use lets nobody in; Missing and Invalid name it.
func NewPublishers(c config.Publishers, issuers []config.Issuer, read func(config.Reference) ([]byte, error)) (*Publishers, error) {
	all, err := event.ParseSelector(event.ManyTokens)
	if err != nil {
		return nil, err
	}
	p := &Publishers{anonymous: c.Anonymous != nil, everybody: Publisher{Name: "anonymous", topics: []event.Selector{all}}, now: time.Now}
	references := &lookup{read: read}
	if p.keys, err = newKeys(c.Keys, references); err != nil {
		return nil, err
	}
	p.missing, p.invalid = references.missing, references.invalid
	if c.ServiceAccounts == nil {
		return p, nil
	}
	if p.accounts, err = newAccounts(c.ServiceAccounts.Audience, issuers); err != nil {
		return nil, err
	}
	if len(p.accounts.issuers) == 0 {
		p.missing = append(p.missing, issuerKeys)
	}
	for _, g := range c.ServiceAccounts.Grants {
		topics, err := selectors(g.Topics)
		if err != nil {
			return nil, fmt.Errorf("grant of %s/%s: %w", g.Namespace, g.Name, err)
		}
		p.grants = append(p.grants, grant{g.Namespace, g.Name, topics})
	}
	return p, nil
}

// Missing names what is waited for: references that are missing or of no use, and keys of the cluster's token issuer.
func (p *Publishers) Missing() []string { return p.missing }

// Invalid are the references that are there and of no use.
func (p *Publishers) Invalid() []Invalid { return p.invalid }

func selectors(texts []string) (out []event.Selector, err error) {
	for _, t := range texts {
		s, err := event.ParseSelector(t)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Authenticate finds out who sent an Authorization header (RFC 6750, section 2.1). The errors are ErrMissing, ErrRefused and
// ErrNotReady. A publisher without any grant is returned all the same, and may publish nothing.
func (p *Publishers) Authenticate(authorization string) (Publisher, error) {
	if p.anonymous {
		return p.everybody, nil
	}
	token, bearer := bearerToken(authorization)
	if !bearer || token == "" {
		return Publisher{}, fmt.Errorf("%w: send `Authorization: Bearer <token>` with %s", ErrMissing, p.wanted())
	}
	if publisher, ok := p.recall(digestOf(token)); ok {
		return publisher, nil
	}
	switch {
	case p.accounts != nil && (p.keys.none() || looksLikeJWT(token)):
		return p.account(token)
	case p.keys.incomplete:
		return Publisher{}, fmt.Errorf("%w: a key of this stream is not there", ErrNotReady)
	default:
		return Publisher{}, fmt.Errorf("%w: send %s", ErrRefused, p.wanted())
	}
}

// Recall is Authenticate for a header that costs nothing to know: of a key, or of an account whose token was verified before. It keeps none of
// the bytes. All others are not ok.
func (p *Publishers) Recall(authorization []byte) (Publisher, bool) {
	if p.anonymous {
		return p.everybody, true
	}
	token, ok := bytes.CutPrefix(authorization, []byte("Bearer "))
	if !ok {
		return Publisher{}, false
	}
	return p.recall(sha256.Sum256(bytes.TrimSpace(token)))
}

// recall finds who has a token by its digest.
func (p *Publishers) recall(digest [sha256.Size]byte) (Publisher, bool) {
	if publisher, ok := p.keys.find(digest); ok {
		return publisher, true
	}
	known, ok := p.verified.get(digest)
	return known.publisher, ok && p.now().Before(known.until)
}

// wanted says which tokens are taken.
func (p *Publishers) wanted() string {
	if p.accounts == nil {
		return "a key of this stream"
	}
	account := fmt.Sprintf("a ServiceAccount token of audience %q", p.accounts.audience)
	if p.keys.none() {
		return account
	}
	return account + ", or a key of this stream"
}

// looksLikeJWT tells a token with the three parts of a signed one (RFC 7515, section 3.1) from what can only be a key.
func looksLikeJWT(token string) bool { return strings.Count(token, ".") == 2 }

func (p *Publishers) account(token string) (Publisher, error) {
	account, until, err := p.accounts.verify(token, p.now())
	if err != nil {
		return Publisher{}, err
	}
	publisher := Publisher{Name: account.String(), topics: p.granted(account)}
	p.verified.put(token, verified{publisher, until})
	return publisher, nil
}

func (p *Publishers) granted(a account) (topics []event.Selector) {
	for _, g := range p.grants {
		if g.namespace == a.namespace && (g.name == config.EveryAccount || g.name == a.name) {
			topics = append(topics, g.topics...)
		}
	}
	return topics
}
