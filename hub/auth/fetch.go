package auth

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// fetchTimeout bounds a fetch, from its connection to its last byte.
	fetchTimeout = 10 * time.Second
	// maxKeySetBytes bounds an answer; a set with 64 RSA keys and their certificates has some 200 KiB.
	maxKeySetBytes = 1 << 20
	// maxKeyHeaderBytes bounds an answer's headers.
	maxKeyHeaderBytes = 64 << 10
	maxRedirects      = 3
)

// newKeyClient makes a client that keeps nothing between two fetches: they are minutes apart. It trusts the authorities of roots; nil is
// those of the system.
func newKeyClient(roots *x509.CertPool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxKeyHeaderBytes,
		},
		CheckRedirect: checkRedirect,
		Timeout:       fetchTimeout,
	}
}

// checkRedirect lets nobody between hub and issuer choose the keys: clear text is neither left nor entered by a redirect.
func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("%w more than %d times", errRedirect, maxRedirects)
	}
	if r.URL.Scheme != "https" || via[len(via)-1].URL.Scheme != "https" {
		return fmt.Errorf("%w, and not from https to https: write the URL that it redirects to", errRedirect)
	}
	return nil
}

// follow fetches until ctx is done.
func (s *remoteSet) follow(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	retry := firstRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.asked:
		}
		next, err := s.refresh(ctx)
		if err != nil {
			next, retry = retry/2+rand.N(retry), min(2*retry, minRefresh) // hubs that lost an issuer together do not come back together
		} else {
			retry = firstRetry
		}
		timer.Reset(next)
	}
}

// refresh fetches once and says when to do so again.
func (s *remoteSet) refresh(ctx context.Context) (next time.Duration, err error) {
	s.mu.Lock()
	asking := s.asking // one that is set from now on is for the next fetch
	s.mu.Unlock()
	keys, next, err := fetch(ctx, s.client, s.source.URL)
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.failure
	if err != nil {
		if s.failure = err.Error(); s.failure != before && ctx.Err() == nil {
			s.from.logger.Warn("keys of an issuer cannot be fetched", "url", s.source.URL, "reason", s.failure, "keptSince", s.fetched)
		}
	} else {
		s.failure, s.fetched = "", s.from.now()
		if before != "" {
			s.from.logger.Info("keys of an issuer fetched", "url", s.source.URL, "keys", len(keys.keys))
		}
		if s.keys == nil || !bytes.Equal(s.keys.text, keys.text) {
			s.keys = keys // the same set stays the same, for what was verified by it
		}
	}
	if asking != nil && s.asking == asking {
		close(asking)
		s.asking = nil
	}
	return next, err
}

// fetch gets the key set at a URL, and how long it may be kept. An error is for people and holds nothing of the answer's body.
func fetch(ctx context.Context, client *http.Client, from string) (*keySet, time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, 0, errors.New("the URL is malformed")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := client.Do(request)
	if err != nil {
		return nil, 0, cause(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("it answers %d", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxKeySetBytes+1))
	switch {
	case err != nil:
		return nil, 0, cause(err)
	case len(body) > maxKeySetBytes:
		return nil, 0, fmt.Errorf("it answers with more than %d bytes", maxKeySetBytes)
	}
	keys, err := readKeySet(body)
	if err != nil {
		return nil, 0, err
	}
	keys.text = body
	return keys, freshness(answer.Header.Values("Cache-Control")), nil
}

// errRedirect says that an answer leads where it must not.
var errRedirect = errors.New("it redirects")

// cause says why a fetch failed without its URL, which is said beside it, and without anything that was answered. The same cause has
// the same words: neither a port of this side nor the time is in them.
func cause(err error) error {
	var timeout interface{ Timeout() bool }
	var connection *net.OpError
	var certificate *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("it does not answer within %v", fetchTimeout)
	case errors.As(err, &connection):
		anywhere := *connection
		anywhere.Source = nil
		return &anywhere
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return errors.New("its certificate has expired, or is not valid yet")
	case errors.As(err, &certificate):
		return certificate
	case errors.Is(err, errRedirect):
		return errors.Unwrap(err) // what checkRedirect said
	case errors.Is(err, context.Canceled):
		return context.Canceled
	default:
		return errors.New("it does not answer as HTTP says")
	}
}

// freshness is how long an answer may be kept (RFC 9111, section 5.2.2.1), within bounds.
func freshness(cacheControl []string) time.Duration {
	for _, directive := range strings.Split(strings.Join(cacheControl, ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
			return min(max(time.Duration(seconds)*time.Second, minRefresh), maxRefresh)
		}
	}
	return refreshInterval
}
