package auth

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
)

const (
	// TicketWindow is how long after its making a ticket opens without a cursor: a page needs it at once, unless it is turned away.
	TicketWindow = time.Minute
	// maxTicketBytes keeps a URL with a ticket below the 8 KiB that common proxies take as a request's first line.
	maxTicketBytes = 6 << 10
	ticketKeyBytes = 32 // of AES-256
	// ticketPurpose binds a key to tickets, and to their form: tickets of another form cannot be opened.
	ticketPurpose = "runnel ticket 2"
)

// Problems of a ticket, for errors.Is. Their texts are for readers and hold no part of a credential.
var (
	// ErrTicket says that a ticket is not good, or no longer.
	ErrTicket = errors.New("ticket is refused")
	// ErrOrigin says that a ticket was made for pages of another origin.
	ErrOrigin = errors.New("ticket is for pages of another origin")
	// ErrTicketLong says that a ticket would not fit a URL.
	ErrTicketLong = errors.New("ticket would be too long for a URL")
)

// sealer makes and opens tickets. A ticket is an encrypted token (RFC 7516) that holds the claims of the token behind it, so that
// any hub with the same secret and for the same stream opens it, and nobody who sees a URL can read them. A stream that gets
// another secret opens no ticket of the one before: connections stay, and a page that has to come back asks for a new ticket.
//
// Who sees a ticket can use it, until the token behind it expires, if he says that he comes back; a browser's Origin, if the ticket
// is bound to one, keeps other pages from it, and not other programs.
type sealer struct{ key []byte } // nil while the secret is missing

// sealed is what a ticket holds.
type sealed struct {
	Claims json.RawMessage `json:"claims"`
	// Key is the print of the key that verified them: a ticket is good as long as its issuer has that key.
	Key    string   `json:"key"`
	Topics []string `json:"topics"`
	Origin string   `json:"origin,omitempty"`
	// Made is when, in milliseconds since 1970.
	Made int64 `json:"made"`
}

// ticketKey derives the key of a stream's tickets from a secret (RFC 5869).
func ticketKey(secret []byte, stream config.Stream) (*[]byte, error) {
	if len(secret) < minSecretBytes {
		return nil, fmt.Errorf("it has %d bytes: write at least %d random ones", len(secret), minSecretBytes)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, ticketPurpose+"\x00"+stream.Namespace+"\x00"+stream.Name, ticketKeyBytes)
	return &key, err
}

// Ticket is a credential for a URL.
type Ticket struct {
	// Text is what a URL holds as ticket=.
	Text string
	// Expires is when the token behind it does, and the ticket with it.
	Expires time.Time
}

// Ticket makes a ticket by which a reader that has a token may read some of what it may. An origin that is not empty is the only
// one whose pages may use it. The errors are ErrNotReady and ErrTicketLong.
func (s *Subscribers) Ticket(r *Reader, topics []event.Selector, origin string) (Ticket, error) {
	if s.sealer == nil || s.sealer.key == nil {
		return Ticket{}, ErrNotReady
	}
	content := sealed{Claims: r.claims, Key: r.key, Origin: origin, Made: s.now().UnixMilli()}
	for _, t := range topics {
		content.Topics = append(content.Topics, t.String())
	}
	text, err := s.sealer.seal(content)
	if err != nil {
		return Ticket{}, err
	}
	if len(text) > maxTicketBytes {
		return Ticket{}, fmt.Errorf("%w: it has %d bytes of at most %d, choose fewer topics or send a token with fewer claims", ErrTicketLong, len(text), maxTicketBytes)
	}
	return Ticket{text, r.expiry}, nil
}

func (s *sealer) seal(content sealed) (string, error) {
	plain, err := json.Marshal(content)
	if err != nil {
		return "", err
	}
	to := jose.Recipient{Algorithm: jose.DIRECT, Key: s.key}
	encrypter, err := jose.NewEncrypter(jose.A256GCM, to, &jose.EncrypterOptions{Compression: jose.DEFLATE})
	if err != nil {
		return "", err
	}
	box, err := encrypter.Encrypt(plain)
	if err != nil {
		return "", err
	}
	return box.CompactSerialize()
}

func (s *sealer) unseal(text string) (content sealed, err error) {
	if len(text) > maxTicketBytes {
		return sealed{}, fmt.Errorf("%w: it is longer than %d bytes", ErrTicket, maxTicketBytes)
	}
	foreign := fmt.Errorf("%w: it is not of this stream or its secret has changed, ask POST /v1/tickets for a new one", ErrTicket)
	if !canonical(text) {
		return sealed{}, foreign
	}
	box, err := jose.ParseEncryptedCompact(text, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return sealed{}, foreign
	}
	plain, err := box.Decrypt(s.key)
	if err != nil {
		return sealed{}, foreign
	}
	if err := json.Unmarshal(plain, &content); err != nil {
		return sealed{}, foreign
	}
	return content, nil
}

// open returns the reader of a ticket. It waits like Authenticate, when the key behind the ticket is not among those of its issuer.
func (s *Subscribers) open(ctx context.Context, c Credentials) (*Reader, error) {
	switch {
	case s.sealer == nil:
		return nil, fmt.Errorf("%w: this stream has no tickets", ErrTicket)
	case s.sealer.key == nil:
		return nil, ErrNotReady
	}
	content, err := s.sealer.unseal(c.Ticket)
	if err != nil {
		return nil, err
	}
	now := s.now()
	if c.late(time.UnixMilli(content.Made), now.Truncate(time.Millisecond)) {
		return nil, fmt.Errorf("%w: it was to be opened within %v, and after that only a subscriber that comes back with a cursor, as Last-Event-ID or last_event_id, opens it: ask POST /v1/tickets for a new one", ErrTicket, TicketWindow)
	}
	if content.Origin != "" && c.Origin != "" && !config.SameOrigin(c.Origin, content.Origin) {
		return nil, ErrOrigin
	}
	claims, err := readClaims(content.Claims)
	if err != nil {
		return nil, fmt.Errorf("%w: ask POST /v1/tickets for a new one", ErrTicket)
	}
	i := s.issuers[claims.Issuer]
	if i == nil {
		return nil, fmt.Errorf("%w: the token behind it is no longer taken", ErrTicket)
	}
	if err := i.check(claims, now); err != nil {
		return nil, fmt.Errorf("%w for the token behind it: %w", ErrTicket, err)
	}
	if err := i.stillHolds(ctx, content.Key); err != nil {
		return nil, err
	}
	r := i.reader(claims)
	r.key, r.ticket = content.Key, make([]event.Selector, 0, len(content.Topics)) // never nil, which would be no ticket
	for _, t := range content.Topics {
		topic, err := event.ParseSelector(t)
		if err != nil {
			return nil, fmt.Errorf("%w: ask POST /v1/tickets for a new one", ErrTicket)
		}
		r.ticket = append(r.ticket, topic)
	}
	return r, nil
}
