// Package auth says who may publish and who may read what. It verifies tokens by keys that it is given or fetches, and asks nobody
// about a token.
package auth

import (
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
	// ErrNotReady says that tokens cannot be verified yet, since the issuer's keys are not known.
	ErrNotReady = errors.New("the keys of the token's issuer are not known yet")
)

// Publishers decides who may publish. It is made anew for each configuration.
type Publishers struct {
	anonymous bool
	accounts  *accounts
	grants    []grant
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
	// Name is the ServiceAccount as the cluster writes it, or "anonymous".
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

// NewPublishers reads a configuration. It fails when keys or topics cannot be read.
func NewPublishers(c config.Publishers) (*Publishers, error) {
	p := &Publishers{anonymous: c.Anonymous != nil, now: time.Now}
	if c.ServiceAccounts == nil {
		return p, nil
	}
	var err error
	if p.accounts, err = newAccounts(c.ServiceAccounts); err != nil {
		return nil, err
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
		all, err := event.ParseSelector(event.ManyTokens)
		return Publisher{Name: "anonymous", topics: []event.Selector{all}}, err
	}
	scheme, token, _ := strings.Cut(authorization, " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return Publisher{}, fmt.Errorf("%w: send `Authorization: Bearer <token>` with a ServiceAccount token of audience %q", ErrMissing, p.accounts.audience)
	}
	if known, ok := p.verified.get(token); ok && p.now().Before(known.until) {
		return known.publisher, nil
	}
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
		if g.namespace == a.namespace && (g.name == "" || g.name == a.name) {
			topics = append(topics, g.topics...)
		}
	}
	return topics
}

// Ready says whether credentials can be verified.
func (p *Publishers) Ready() bool { return p.anonymous || len(p.accounts.issuers) > 0 }
