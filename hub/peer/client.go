package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

const (
	// dialTimeout bounds how long a peer may take to accept a connection.
	dialTimeout = 2 * time.Second
	// maxConns bounds the connections to one peer: what is published waits for its turn.
	maxConns = 64
	// idleTimeout is how long a connection rests: longer than the time between two requests while anything is passed on.
	idleTimeout = 30 * time.Second
	// maxHeader bounds an answer's headers, of which a token is the longest.
	maxHeader = 64 << 10
	// maxReason bounds what is passed on to people of an answer that cannot be believed.
	maxReason = 256
)

// Client asks peers. Its methods may be called concurrently. An error is a *Refusal, or says that no answer came that can be believed.
type Client struct {
	credentials func() Credentials
	codec       codec
	http        *http.Client
	shown       shown
}

// ErrNoAnswer says that no answer came that can be believed. What was asked for may have been done.
var ErrNoAnswer = errors.New("no answer")

// ErrNotReached says that no connection came about, so nothing was done. Somebody may be there all the same.
var ErrNotReached = errors.New("it is not reached")

// ErrNotThere is an ErrNotReached by which nobody listens at the address. A firewall may say so for who does, and a proxy that is not
// there yet.
var ErrNotThere = fmt.Errorf("%w, it refuses connections", ErrNotReached)

// NewClient returns a Client. It asks for the credentials at each request; there must be some then.
func NewClient(credentials func() Credentials) (*Client, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	return &Client{credentials: credentials, codec: c, http: &http.Client{
		Transport: &http.Transport{ // and no proxy: peers are in the same network
			DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
			DisableCompression:     true,
			MaxConnsPerHost:        maxConns,
			MaxIdleConnsPerHost:    maxConns,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close frees what rests.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// State asks what a hub is. One of another version is refused.
func (c *Client) State(ctx context.Context, address string) (s State, err error) {
	if err = c.ask(ctx, http.MethodGet, address, pathState, nil, maxSmall, &s); err == nil && s.Version != Version {
		return State{}, Refuse(CodeVersion, "it speaks version %d of the hand-over, this hub %d", s.Version, Version)
	}
	return s, err
}

// Take asks for the right to append.
func (c *Client) Take(ctx context.Context, address string, q Take) (a Taken, err error) {
	return a, c.ask(ctx, http.MethodPost, address, pathTake, q, maxBody, &a)
}

// Append passes on what was published.
func (c *Client) Append(ctx context.Context, address string, q Append) (a Appended, err error) {
	return a, c.ask(ctx, http.MethodPost, address, pathAppend, q, maxBody, &a)
}

// Supersede says who leads now.
func (c *Client) Supersede(ctx context.Context, address string, q Claim) error {
	return c.ask(ctx, http.MethodPost, address, pathSuperseded, q, maxSmall, &nothing{})
}

// Offer asks a follower to take over.
func (c *Client) Offer(ctx context.Context, address string, q Offer) error {
	return c.ask(ctx, http.MethodPost, address, pathOffer, q, maxSmall, &nothing{})
}

// ask sends a question and reads its answer.
func (c *Client) ask(ctx context.Context, method, address, path string, question any, most int64, into any) error {
	answer, err := c.do(ctx, method, address, path, question)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if err := c.codec.read(answer.Body, most, into); err != nil {
		return fmt.Errorf("%w: its body cannot be read: %w", ErrNoAnswer, err)
	}
	return nil
}

// do returns an answer that can be believed, and is no refusal. An address is an IP address and a port, and nothing that would make a
// request to something else of it: some come from other hubs.
func (c *Client) do(ctx context.Context, method, address, path string, question any) (*http.Response, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotReached, err)
	}
	var body io.Reader
	if question != nil {
		text, err := c.codec.encoder.Marshal(question)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, body)
	if err != nil {
		return nil, err
	}
	credentials := c.credentials()
	if credentials == nil {
		return nil, errors.New("this hub has no token to show")
	}
	token, err := credentials.Token()
	if err != nil {
		return nil, err
	}
	c.shown.note(token)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", contentType)
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, unanswered(err)
	}
	if err := c.check(credentials, answer); err != nil {
		_ = answer.Body.Close()
		return nil, err
	}
	return answer, nil
}

// check says whether an answer can be believed, and is what was asked for.
func (c *Client) check(credentials Credentials, answer *http.Response) error {
	token := answer.Header.Get(tokenHeader)
	if token == "" && answer.StatusCode != http.StatusOK { // to whom it does not know a hub says little, and nothing that is acted upon
		refusal := &Refusal{Status: answer.StatusCode}
		said := Refusal{}
		if answer.Header.Get("Content-Type") == contentType && c.codec.read(answer.Body, maxSmall, &said) == nil {
			if _, known := statuses[said.Code]; known {
				refusal.Code = said.Code
			}
			refusal.Reason = strings.ToValidUTF8(said.Reason[:min(len(said.Reason), maxReason)], "")
		}
		return refusal
	}
	if c.shown.has(token) {
		return fmt.Errorf("%w: it shows the token that this hub showed, which anybody could who was asked", ErrNoAnswer)
	}
	if err := credentials.Verify(token); err != nil {
		return fmt.Errorf("%w: the answering hub's %w", ErrNoAnswer, err)
	}
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	refusal := &Refusal{}
	if err := c.codec.read(answer.Body, maxSmall, refusal); err != nil {
		return fmt.Errorf("%w: status %d, and its body cannot be read: %w", ErrNoAnswer, answer.StatusCode, err)
	}
	refusal.Status = answer.StatusCode
	return refusal
}

// unanswered says whether a request may have come to anybody.
func unanswered(err error) error {
	var connecting *net.OpError
	switch {
	case !errors.As(err, &connecting) || connecting.Op != "dial":
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: %w", ErrNotThere, err)
	}
	return fmt.Errorf("%w: %w", ErrNotReached, err)
}
