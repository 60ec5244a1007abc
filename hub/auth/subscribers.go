package auth

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/runnel-dev/runnel/hub/config"
)

// Subscribers decides who may read. It is made anew for each configuration and whenever what the configuration refers to has
// changed; only RemoteKeys outlives it.
type Subscribers struct {
	anonymous  bool
	everybody  *Reader
	issuers    map[string]*tokenIssuer
	names      []string // of issuers, in the configuration's order
	algorithms []jose.SignatureAlgorithm
	cookie     string
	allowQuery bool
	sealer     *sealer // nil without tickets
	references *lookup
	verified   remembered[verifiedReader]
	now        func() time.Time
}

// verifiedReader is the reader of a token that was verified by some keys.
type verifiedReader struct {
	reader *Reader
	keys   *keySet
}

// NewSubscribers reads a configuration and what it refers to. It fails when the configuration's own words cannot be read. What is
// not there, or of no use, lets nobody in until it is: Missing and Invalid name it. It goes by the clock of remote.
func NewSubscribers(c *config.Config, read func(config.Reference) ([]byte, error), remote *RemoteKeys) (*Subscribers, error) {
	s := &Subscribers{now: remote.now, everybody: &Reader{anonymous: true}, issuers: map[string]*tokenIssuer{}, references: &lookup{read: read}}
	rules := c.Auth.Subscribers.JWT
	if rules == nil {
		s.anonymous = c.Auth.Subscribers.Anonymous != nil
		return s, nil
	}
	s.cookie, s.allowQuery = rules.Cookie, rules.AllowQueryToken
	s.algorithms = append(append(s.algorithms, publicKeyAlgorithms...), secretAlgorithms...)
	for _, of := range rules.Issuers {
		i, err := newTokenIssuer(of, remote)
		if err != nil {
			return nil, err
		}
		if s.issuers[i.name] != nil {
			return nil, fmt.Errorf("issuer %s is there twice: what its tokens may read would depend on the order", i.name)
		}
		s.issuers[i.name] = i
		s.names = append(s.names, i.name)
		i.keys = load(s.references, of.JWKS, readKeySet)
		if of.CABundle != nil {
			bundle := load(s.references, of.CABundle, readCABundle)
			if i.bundleMissing = bundle == nil; bundle != nil {
				i.source.CABundle = *bundle
			}
		}
		if of.HMAC != nil {
			i.keys = load(s.references, of.HMAC, readSecret)
		}
	}
	if rules.Tickets != nil {
		s.sealer = &sealer{}
		if key := load(s.references, rules.Tickets, func(secret []byte) (*[]byte, error) { return ticketKey(secret, c.Stream) }); key != nil {
			s.sealer.key = *key
		}
	}
	return s, nil
}

// load reads what a reference names, or returns nil when there is none or it is of no use.
func load[T any](l *lookup, r *config.Reference, parse func([]byte) (*T, error)) (out *T) {
	if r == nil {
		return nil
	}
	if !l.get(*r, func(content []byte) (err error) {
		out, err = parse(content)
		return err
	}) {
		return nil
	}
	return out
}

// Missing names what the hub waits for before it can let all readers in.
func (s *Subscribers) Missing() []string {
	missing := s.references.missing
	for _, name := range s.names {
		if m := s.issuers[name].missing(); m != "" {
			missing = append(missing[:len(missing):len(missing)], m)
		}
	}
	return missing
}

// Invalid are the references that are there and of no use.
func (s *Subscribers) Invalid() []Invalid { return s.references.invalid }

// KeySources are where issuers publish keys, for RemoteKeys.Follow.
func (s *Subscribers) KeySources() (sources []KeySource) {
	for _, name := range s.names {
		if i := s.issuers[name]; i.source.URL != "" && !i.bundleMissing {
			sources = append(sources, i.source)
		}
	}
	return sources
}

// Anonymous says that everybody may read everything, and that no credential is looked at.
func (s *Subscribers) Anonymous() bool { return s.anonymous }

// Cookie is the name of the cookie that may hold a token; empty is none.
func (s *Subscribers) Cookie() string { return s.cookie }

// Tickets says whether there are any.
func (s *Subscribers) Tickets() bool { return s.sealer != nil }

// Credentials are what a request carries; empty is none. The first that is there decides, whether it is good or not: a bad header is
// not made up for by a good cookie.
type Credentials struct {
	// Authorization is the header (RFC 6750, section 2.1). Of another scheme than Bearer it is none.
	Authorization string
	// Ticket is one that Ticket has made.
	Ticket string
	// Cookie is the value of the cookie that is named Cookie.
	Cookie string
	// Query is a token in the query (RFC 6750, section 2.3), which is taken only where the configuration allows it.
	Query string

	// Origin of the page, and whether it comes back with a cursor, which earliest is not: what a ticket is bound to.
	Origin    string
	ComesBack bool
	// TurnedAway is since when readers have been turned away who would have been let in otherwise, so that a ticket may be late
	// without its page's fault; zero is not.
	TurnedAway time.Time
}

// late says whether a ticket that was made at a time can no longer be opened.
func (c *Credentials) late(made, now time.Time) bool {
	due := made.Add(TicketWindow)
	return now.After(due) && !c.ComesBack && (c.TurnedAway.IsZero() || c.TurnedAway.After(due))
}

// Authenticate finds out who reads. The errors are ErrMissing, ErrRefused, ErrTicket, ErrOrigin and ErrNotReady; the last is one that
// mends itself. A reader without any grant is returned all the same, and may read nothing. It waits at most 5 s, for a fetch of
// keys that the reader's token or ticket has caused.
func (s *Subscribers) Authenticate(ctx context.Context, c Credentials) (*Reader, error) {
	token := s.deciding(c)
	_, bearer := bearerToken(c.Authorization)
	switch {
	case s.anonymous:
		return s.everybody, nil
	case token != "":
		return s.token(ctx, token)
	case bearer:
		return nil, fmt.Errorf("%w: the Authorization header is not `Bearer <token>`", ErrRefused)
	case c.Ticket != "":
		return s.open(ctx, c)
	case c.Query != "":
		return nil, fmt.Errorf("%w: a token is not taken from the query, where logs show it: %s", ErrMissing, s.send())
	}
	return nil, fmt.Errorf("%w: %s", ErrMissing, s.send())
}

// deciding returns the token that decides about a request; empty where something else does.
func (s *Subscribers) deciding(c Credentials) string {
	token, bearer := bearerToken(c.Authorization)
	switch {
	case s.anonymous:
		return ""
	case bearer:
		return token
	case c.Ticket != "":
		return ""
	case c.Cookie != "" && s.cookie != "":
		return c.Cookie
	case s.allowQuery:
		return c.Query
	}
	return ""
}

// Unknown reports whether Authenticate has to verify a signature: the request has a token that was not verified before.
func (s *Subscribers) Unknown(c Credentials) bool {
	token := s.deciding(c)
	if token == "" {
		return false
	}
	_, known := s.recall(token, s.now())
	return !known
}

// bearerToken takes the token out of an Authorization header (RFC 6750, section 2.1), and says whether it is of that scheme. Others
// are for somebody else, such as a proxy before the hub that asks for a password.
func bearerToken(authorization string) (token string, ok bool) {
	scheme, token, _ := strings.Cut(authorization, " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// send says which credentials are taken.
func (s *Subscribers) send() string {
	ways := []string{"send `Authorization: Bearer <token>` with a token of " + strings.Join(s.names, " or ")}
	if s.cookie != "" {
		ways = append(ways, "the token in the cookie "+s.cookie)
	}
	if s.sealer != nil {
		ways = append(ways, "?ticket= with a ticket from POST /v1/tickets")
	}
	return strings.Join(ways, ", or ")
}

// token returns the reader of a token.
func (s *Subscribers) token(ctx context.Context, text string) (*Reader, error) {
	now := s.now()
	if r, known := s.recall(text, now); known {
		return r, nil
	}
	u, err := readToken(text, s.algorithms)
	if err != nil {
		return nil, err
	}
	i := s.issuers[u.issuer]
	if i == nil {
		return nil, fmt.Errorf("%w: it is not of %s", ErrRefused, strings.Join(s.names, " or "))
	}
	c, keys, err := i.verify(ctx, u, now)
	if err != nil {
		return nil, err
	}
	r := i.reader(c)
	r.key = keyPrint(c.by)
	s.verified.put(text, verifiedReader{r, keys})
	return r, nil
}

// recall returns the reader of a token that was verified before, by the keys that its issuer still has: keys that were fetched anew have to
// have signed it too.
func (s *Subscribers) recall(text string, now time.Time) (*Reader, bool) {
	v, ok := s.verified.get(digestOf(text))
	if !ok || !now.Before(v.reader.Until()) {
		return nil, false
	}
	keys, _ := s.issuers[v.reader.issuer].current()
	return v.reader, keys == v.keys
}
