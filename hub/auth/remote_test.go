package auth

import (
	"context"
	"crypto/elliptic"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/runnel-dev/runnel/hub/config"
)

// patience bounds the wait for one state. It is many times what a slow and busy machine takes, and only a failing test waits so long.
const patience = 2 * time.Minute

// eventually waits for a state that comes by itself.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// keyServer is the server of an issuer's keys. Its answer can be changed.
type keyServer struct {
	*httptest.Server
	asked  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]
}

func newKeyServer(t testing.TB, start func(http.Handler) *httptest.Server, answer http.HandlerFunc) *keyServer {
	s := &keyServer{}
	s.serve(answer)
	s.Server = start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) serve(answer http.HandlerFunc) { s.answer.Store(&answer) }

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}

// remoteOf follows a server's keys, and ends before the server does.
func remoteOf(t testing.TB, c *clock, s *keyServer) (*RemoteKeys, *Subscribers) {
	t.Helper()
	remote := NewRemoteKeys(nil, c.Now)
	remote.client.Transport.(*http.Transport).TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
	t.Cleanup(remote.Close)
	subs, err := NewSubscribers(jwtConfig("shop", config.JWT{Issuers: []config.TokenIssuer{
		{Issuer: idp, Audiences: []string{forReader}, JWKSURI: s.URL, Topics: []string{">"}},
	}}), content{}.read, remote)
	if err != nil {
		t.Fatal(err)
	}
	remote.Follow(subs.KeySources())
	return remote, subs
}

func (s *Subscribers) lets(token string) error {
	_, err := s.Authenticate(context.Background(), Credentials{Authorization: "Bearer " + token})
	return err
}

func TestKeysAreFetchedInTheBackground(t *testing.T) {
	c := newClock()
	e := ec(t, elliptic.P256())
	token := sign(t, jose.ES256, e, "e", says(c.Now(), nil))
	open := make(chan struct{})
	s := newKeyServer(t, httptest.NewServer, func(w http.ResponseWriter, r *http.Request) {
		<-open
		text(keyset(t, public(e, "e")))(w, r)
	})
	_, subs := remoteOf(t, c, s)
	if err := subs.lets(token); !errors.Is(err, ErrNotReady) {
		t.Errorf("before keys: %v", err)
	}
	if m := subs.Missing(); len(m) != 1 || m[0] != "keys of issuer "+idp+" ("+s.URL+"): not fetched yet" {
		t.Errorf("%q", m)
	}
	close(open)
	eventually(t, "the token is never let in", func() bool { return subs.lets(token) == nil })
	if m := subs.Missing(); len(m) > 0 {
		t.Errorf("%q", m)
	}
}

func TestKeyServersThatAnswerBadly(t *testing.T) {
	e := ec(t, elliptic.P256())
	good := keyset(t, public(e, "e"))
	elsewhere := newKeyServer(t, httptest.NewServer, text(good))
	for name, c := range map[string]struct {
		start  func(http.Handler) *httptest.Server
		answer http.HandlerFunc
		want   string // part of what is missing; empty for nothing
	}{
		"error":    {httptest.NewServer, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret details", 500) }, "it answers 500"},
		"huge":     {httptest.NewServer, text(good + strings.Repeat(" ", maxKeySetBytes)), "more than 1048576 bytes"},
		"endless":  {httptest.NewServer, endless, "more than 1048576 bytes"},
		"a page":   {httptest.NewServer, text("<html>secret details"), "no JSON Web Key Set"},
		"no keys":  {httptest.NewServer, text(`{}`), "no JSON Web Key Set"},
		"many":     {httptest.NewServer, text(`{"keys":[` + strings.Repeat(`{},`, maxKeys) + `{}]}`), "write at most 64"},
		"useless":  {httptest.NewServer, text(`{"keys":[{"kty":"oct","k":"c2VjcmV0IGRldGFpbHM"},{"kty":"new"}]}`), "of its 2 keys none"},
		"cut off":  {httptest.NewServer, cutOff, "it does not answer as HTTP says"},
		"to clear": {httptest.NewTLSServer, http.RedirectHandler(elsewhere.URL, http.StatusFound).ServeHTTP, "not from https to https"},
		"from clear": {httptest.NewServer, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+r.Host+"/", http.StatusFound)
		}, "not from https to https"},
		"for ever": {httptest.NewTLSServer, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}, "it redirects more than 3 times"},
		"three times": {httptest.NewTLSServer, func(w http.ResponseWriter, r *http.Request) {
			if len(r.URL.Path) < 4 {
				http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
				return
			}
			text(good)(w, r)
		}, ""},
		"unknown among known": {httptest.NewServer, text(`{"keys":[{"kty":"new"},` + good[len(`{"keys":[`):]), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, subs := remoteOf(t, newClock(), newKeyServer(t, c.start, c.answer))
			eventually(t, "never "+c.want, func() bool {
				missing := strings.Join(subs.Missing(), "")
				return c.want == "" && missing == "" || c.want != "" && strings.Contains(missing, c.want)
			})
			if m := strings.Join(subs.Missing(), ""); strings.Contains(m, "secret details") {
				t.Errorf("tells what was answered: %q", m)
			}
		})
	}
}

func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := w.Write([]byte(strings.Repeat(" ", 64<<10))); err != nil {
			return
		}
	}
}

func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"keys":`))
}

func TestSlowKeyServersHoldNobodyUp(t *testing.T) {
	s := newKeyServer(t, httptest.NewServer, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	remote, subs := remoteOf(t, newClock(), s)
	eventually(t, "never asked", func() bool { return s.asked.Load() == 1 })
	if err := subs.lets(sign(t, jose.ES256, ec(t, elliptic.P256()), "e", says(time.Now(), nil))); !errors.Is(err, ErrNotReady) {
		t.Error(err)
	}
	remote.Close() // does not wait for the server either
}

func TestRotatedKeysAreFetchedForAnUnknownID(t *testing.T) {
	c := newClock()
	one, two := ec(t, elliptic.P256()), ec(t, elliptic.P256())
	first, second := sign(t, jose.ES256, one, "one", says(c.Now(), nil)), sign(t, jose.ES256, two, "two", says(c.Now(), nil))
	s := newKeyServer(t, httptest.NewServer, text(keyset(t, public(one, "one"))))
	_, subs := remoteOf(t, c, s)
	eventually(t, "never fetched", func() bool { return subs.lets(first) == nil })
	s.serve(text(keyset(t, public(two, "two"))))
	if err := subs.lets(second); err != nil {
		t.Errorf("the new key: %v", err)
	}
	if err := subs.lets(first); errors.Is(err, ErrRefused) == errors.Is(err, ErrNotReady) {
		t.Errorf("the old key was withdrawn, and its token remembered: %v", err)
	}
	if n := s.asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestAStormOfUnknownIDsIsBounded(t *testing.T) {
	c := newClock()
	e, stranger := ec(t, elliptic.P256()), ec(t, elliptic.P256())
	s := newKeyServer(t, httptest.NewServer, text(keyset(t, public(e, "e"))))
	_, subs := remoteOf(t, c, s)
	eventually(t, "never fetched", func() bool { return len(subs.Missing()) == 0 })
	storm := func() (refused, later int) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		for i := range 200 {
			wg.Go(func() {
				err := subs.lets(sign(t, jose.ES256, stranger, fmt.Sprint("unknown", i), says(time.Now(), nil)))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, ErrRefused):
					refused++
				case errors.Is(err, ErrNotReady):
					later++
				default:
					t.Errorf("let in: %v", err)
				}
			})
		}
		wg.Wait()
		return refused, later
	}
	refused, later := storm()
	if n := s.asked.Load(); n != 2 || refused == 0 || refused+later != 200 {
		t.Errorf("asked %d times, %d refused, %d to come later", n, refused, later)
	}
	if err := subs.lets(sign(t, jose.ES256, e, "e", says(c.Now(), nil))); err != nil {
		t.Errorf("a good token in the storm: %v", err)
	}
	set, over := subs.issuers[idp].remote.set(KeySource{URL: s.URL}), make(chan struct{})
	close(over)
	for i := range 2 * maxAbsent {
		if _, err := set.wait(context.Background(), over, wantedKey{id: fmt.Sprint("also unknown", i)}); err != nil {
			t.Error(err)
		}
	}
	if len(set.absent) > maxAbsent {
		t.Errorf("%d keys are remembered", len(set.absent))
	}
	c.advance(unknownInterval)
	storm()
	if n := s.asked.Load(); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

func TestAnUnknownIDStaysRefused(t *testing.T) {
	c := newClock()
	e := ec(t, elliptic.P256())
	s := newKeyServer(t, httptest.NewServer, text(keyset(t, public(e, "e"))))
	_, subs := remoteOf(t, c, s)
	eventually(t, "never fetched", func() bool { return len(subs.Missing()) == 0 })
	for range 2 {
		if err := subs.lets(sign(t, jose.ES256, e, "wrong", says(c.Now(), nil))); !errors.Is(err, ErrRefused) {
			t.Error(err)
		}
	}
	// Another id may be of a key that came since: its reader is asked to come back.
	if err := subs.lets(sign(t, jose.ES256, e, "new", says(c.Now(), nil))); !errors.Is(err, ErrNotReady) {
		t.Error(err)
	}
}

func TestKeysAreKeptForADay(t *testing.T) {
	c := newClock()
	e := ec(t, elliptic.P256())
	s := newKeyServer(t, httptest.NewServer, text(keyset(t, public(e, "e"))))
	_, subs := remoteOf(t, c, s)
	eventually(t, "never fetched", func() bool { return len(subs.Missing()) == 0 })
	s.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	if err := subs.lets(sign(t, jose.ES256, e, "unknown", says(c.Now(), nil))); !errors.Is(err, ErrNotReady) {
		t.Errorf("a fetch that failed says nothing of an id: %v", err)
	}
	c.advance(maxKeyAge)
	if err := subs.lets(sign(t, jose.ES256, e, "e", says(c.Now(), nil))); err != nil {
		t.Errorf("after a day: %v", err)
	}
	c.advance(time.Second)
	if err := subs.lets(sign(t, jose.ES256, e, "e", says(c.Now(), nil))); !errors.Is(err, ErrNotReady) {
		t.Errorf("after more than a day: %v", err)
	}
	if m := strings.Join(subs.Missing(), ""); !strings.Contains(m, "older than 24h0m0s, and: it answers 503") {
		t.Errorf("%q", m)
	}
}

func TestOnlyWantedURLsAreFollowed(t *testing.T) {
	e := ec(t, elliptic.P256())
	a, b := newKeyServer(t, httptest.NewServer, text(keyset(t, public(e, "e")))), newKeyServer(t, httptest.NewServer, text(keyset(t, public(e, "e"))))
	remote := NewRemoteKeys(nil, nil)
	t.Cleanup(remote.Close)
	remote.Follow([]KeySource{{URL: a.URL}, {URL: a.URL}})
	eventually(t, "never fetched", func() bool { keys, _ := remote.current(KeySource{URL: a.URL}); return keys != nil })
	before, _ := remote.current(KeySource{URL: a.URL})
	remote.Follow([]KeySource{{URL: b.URL}, {URL: a.URL}})
	if after, _ := remote.current(KeySource{URL: a.URL}); after != before {
		t.Error("what stays is fetched anew")
	}
	eventually(t, "never fetched", func() bool { keys, _ := remote.current(KeySource{URL: b.URL}); return keys != nil })
	remote.Follow([]KeySource{{URL: b.URL}})
	if keys, _ := remote.current(KeySource{URL: a.URL}); keys != nil {
		t.Error("what is no longer wanted is kept")
	}
	if a.asked.Load() != 1 || b.asked.Load() != 1 {
		t.Errorf("asked %d and %d times", a.asked.Load(), b.asked.Load())
	}
}

func TestFreshness(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"":                               refreshInterval,
		"no-cache":                       refreshInterval,
		"public, max-age=1200":           20 * time.Minute,
		`Max-Age="1200"`:                 20 * time.Minute,
		"max-age=0":                      minRefresh,
		"max-age=31536000":               maxRefresh,
		"max-age=-1":                     refreshInterval,
		"max-age=99999999999999999999":   refreshInterval,
		"max-age=x, s-maxage=5":          refreshInterval,
		"stale-if-error=5,max-age = 90 ": refreshInterval,
	} {
		if got := freshness([]string{header}); got != want {
			t.Errorf("%s: %v, want %v", header, got, want)
		}
	}
}
