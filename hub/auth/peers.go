package auth

import (
	"fmt"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
)

// Peers knows the other hubs of a stream by the tokens of the ServiceAccount that all of them run as. The audience is of those hubs alone:
// neither is a publisher's token of use here, nor a hub's anywhere else. It is made anew for each configuration.
type Peers struct {
	account  account
	accounts *accounts
	verified remembered[time.Time] // until when a token is good
	now      func() time.Time
}

// NewPeers reads who the hubs of a stream in a namespace are, with the issuers of the cluster's tokens. It fails when issuers' keys cannot
// be read.
func NewPeers(c config.Peers, namespace string, issuers []config.Issuer) (*Peers, error) {
	accounts, err := newAccounts(c.Audience, issuers)
	if err != nil {
		return nil, err
	}
	return &Peers{account: account{namespace, c.Account}, accounts: accounts, now: time.Now}, nil
}

// Ready says whether there are keys of issuers, so that any token can be verified.
func (p *Peers) Ready() bool { return len(p.accounts.issuers) > 0 }

// Authenticate verifies an Authorization header (RFC 6750, section 2.1). The errors are those of Verify, and ErrMissing.
func (p *Peers) Authenticate(authorization string) error {
	token, bearer := bearerToken(authorization)
	if !bearer || token == "" {
		return fmt.Errorf("%w: hubs send `Authorization: Bearer <token>` with a token of %s and audience %q", ErrMissing, p.account, p.accounts.audience)
	}
	return p.Verify(token)
}

// Verify says whether a token is of another hub of the stream. The errors are ErrRefused and ErrNotReady.
func (p *Peers) Verify(token string) error {
	if until, ok := p.verified.get(digestOf(token)); ok && p.now().Before(until) {
		return nil
	}
	who, until, err := p.accounts.verify(token, p.now())
	switch {
	case err != nil:
		return err
	case who != p.account:
		return fmt.Errorf("%w: it is of %s, and the hubs of this stream run as %s", ErrRefused, who, p.account)
	}
	p.verified.put(token, until)
	return nil
}
