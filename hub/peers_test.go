package hub_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

const (
	clusterIssuer = "https://kubernetes.default.svc"
	peerAudience  = "runnel.dev/peer/team-a/shop"
	peerSubject   = "system:serviceaccount:team-a:shop-hub"
)

// stream is the hubs of one stream in a cluster: who lists them, and who makes their tokens.
type stream struct {
	t      testing.TB
	times  hub.Times
	signer jose.Signer
	keys   json.RawMessage
	change func(*config.Config)

	mu     sync.Mutex
	listed []string
}

func newStream(t testing.TB, change func(*config.Config)) *stream {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k"}}})
	if err != nil {
		t.Fatal(err)
	}
	return &stream{t: t, signer: signer, keys: keys, change: change, times: hub.Times{
		// Tests wait these out. Nothing fails when one of them is over before a slow machine has done anything.
		Successor: 20 * time.Millisecond, Endpoints: 10 * time.Millisecond, Insist: 10 * time.Millisecond,
		// These bound work that succeeds. A test that waits one of them out sets it, for the hub that shall give up.
		Search: patience, Copy: patience, Answer: patience, Leaderless: patience, Ahead: patience,
	}}
}

// token makes one for an account, an audience and a time.
func (s *stream) token(subject, audience string, until time.Time) string {
	s.t.Helper()
	token, err := jwt.Signed(s.signer).Claims(map[string]any{
		"iss": clusterIssuer, "sub": subject, "aud": []string{audience}, "exp": until.Unix(), "iat": until.Add(-time.Hour).Unix(),
	}).Serialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

func (s *stream) tokenFile(token string) string {
	path := filepath.Join(s.t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// list adds and unlist takes away an address.
func (s *stream) list(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = append(s.listed, address)
}

func (s *stream) unlist(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = slices.DeleteFunc(s.listed, func(a string) bool { return a == address })
}

// lister is what one hub is told of the others.
type lister struct {
	*stream
	self string
}

// Peers implements peer.Resolver.
func (l lister) Peers(context.Context) (others []string, listed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	others = slices.DeleteFunc(slices.Clone(l.listed), func(a string) bool { return a == l.self })
	return others, len(others) < len(l.listed), nil
}

// pod is a hub behind an address at which its peers find it.
type pod struct {
	*server
	way  *way
	logs *lockedBuffer
}

// configure is what each hub of the stream is told.
func (s *stream) configure(c *config.Config) {
	c.Topics = append(c.Topics, config.Topic{Name: "load.*", Events: 100_000, Age: config.Duration(time.Hour)})
	c.Auth.Issuers = []config.Issuer{{URL: clusterIssuer, Keys: s.keys}}
	c.Peers = &config.Peers{Service: "shop-hub.team-a.svc.cluster.local.", Audience: peerAudience, Account: "shop-hub"}
	if s.change != nil {
		s.change(c)
	}
}

// launch starts a hub that need not become ready.
func (s *stream) launch(change ...func(*hub.Options)) *pod {
	s.t.Helper()
	w := newWay(s.t)
	return s.launchAt(w, change...)
}

// launchAt starts a hub at an address that may have been another's.
func (s *stream) launchAt(w *way, change ...func(*hub.Options)) *pod {
	s.t.Helper()
	logs := &lockedBuffer{}
	o := hub.Options{PeerToken: s.tokenFile(s.token(peerSubject, peerAudience, time.Now().Add(time.Hour))), Logger: slog.New(slog.NewTextHandler(logs, nil))}
	o = o.WithPeers(lister{s, w.address()}, w.address(), s.times)
	for _, c := range change {
		c(&o)
	}
	p, endpoints := &pod{way: w, logs: logs}, s.times.Endpoints
	p.server = startTo(s.t, o, s.configure, func(h *hub.Hub) {
		w.to(h.Addrs().Admin)
		s.unlist(w.address())
		s.list(w.address())
	})
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("hub %s: %s", w.address(), lastLines(s.t, logs.String()))
			if endpoints > patience {
				p.EndpointsGone()
			}
		}
	})
	return p
}

// ready starts a hub and waits until it is ready.
func (s *stream) ready(change ...func(*hub.Options)) *pod {
	s.t.Helper()
	p := s.launch(change...)
	p.untilReady(http.StatusOK)
	return p
}

// untilReady waits until the hub's readiness has a status: 200, or 503 for a hub that is about to end.
func (p *pod) untilReady(status int) {
	p.t.Helper()
	p.until(fmt.Sprintf("ready: %d", status), func() bool {
		resp, _ := do(p.t, "GET", "http://"+p.Addrs().Admin+"/readyz", "")
		return resp.StatusCode == status
	})
}

// endNow ends a hub that was told to, and waits for Times.Endpoints.
func (p *pod) endNow() {
	p.t.Helper()
	p.untilReady(http.StatusServiceUnavailable)
	p.EndpointsGone()
	if err := p.gone(); err != nil {
		p.t.Errorf("hub %s ended with %v", p.way.address(), err)
	}
}

// endsBecause ends a hub that cannot stay beside the others, and that waits for Times.Endpoints. It fails the test unless the hub has logged
// that it ends, and ends with an error that contains the reason.
func (p *pod) endsBecause(reason string) {
	p.t.Helper()
	p.until("about to end", func() bool { return strings.Contains(p.logs.String(), "the hub ends") })
	p.stop()
	if err := p.gone(); err == nil || !strings.Contains(err.Error(), reason) {
		p.t.Errorf("hub %s ended with %v, want %s", p.way.address(), err, reason)
	}
}

// until waits until something holds.
func (p *pod) until(what string, holds func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("not %s: %+v", what, p.Status())
		}
	}
}

func (p *pod) untilRole(role string) {
	p.t.Helper()
	p.until(role, func() bool { return p.Status().Role == role })
}

// gone waits until the hub has ended, and returns why.
func (p *pod) gone() error {
	p.t.Helper()
	select {
	case err := <-p.done:
		close(p.done)
		return err
	case <-time.After(patience):
		p.t.Fatal("the hub does not end")
		return nil
	}
}

// lastLines returns the end of a text that is longer than a screen, and says which file has all of it.
func lastLines(t testing.TB, text string) string {
	t.Helper()
	const most = 30
	lines := strings.SplitAfter(text, "\n")
	if len(lines) <= most {
		return text
	}
	path := filepath.Join("..", "bin", "failed", fmt.Sprintf("hub-%s-%d.txt", strings.ReplaceAll(t.Name(), "/", "-"), time.Now().UnixNano()))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Error(err)
	}
	return fmt.Sprintf("(%s has all %d lines)\n%s", path, len(lines), strings.Join(lines[len(lines)-most:], ""))
}

// epochOf is the part of an id before its sequence.
func epochOf(id string) string {
	epoch, _, _ := strings.Cut(id, "-")
	return epoch
}
