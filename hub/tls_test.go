package hub_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

const tlsSecret = "shop-tls"

func encrypted(c *config.Config) { c.TLS = &config.TLS{Secret: tlsSecret} }

func (r references) putPair(certificate, key string) {
	r.t.Helper()
	r.put(tlsSecret, "tls.crt", certificate)
	r.put(tlsSecret, "tls.key", key)
}

// send returns the answer to a request by a protocol.
func send(t *testing.T, via http.RoundTripper, method, u, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, u, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := via.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp, string(b)
}

func TestEveryProtocolBehavesTheSame(t *testing.T) {
	ca := newAuthority(t)
	held := newReferences(t)
	held.putPair(ca.issue(2))
	known := &http.Protocols{}
	known.SetUnencryptedHTTP2(true)
	for name, c := range map[string]struct {
		scheme string
		major  int
		via    *http.Transport
	}{
		"HTTP/1.1":                  {"http", 1, &http.Transport{}},
		"HTTP/2 by prior knowledge": {"http", 2, &http.Transport{Protocols: known}},
		"HTTP/1.1 over TLS":         {"https", 1, ca.client(1, nil)},
		"HTTP/2 over TLS":           {"https", 2, ca.client(2, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(c.via.CloseIdleConnections)
			s := startWith(t, hub.Options{References: held.dir}, func(o *config.Config) {
				o.CORS = config.CORS{AllowedOrigins: []string{"https://shop.example"}}
				o.Limits.ConnectionsPerHub = 2
				if c.scheme == "https" {
					encrypted(o)
				}
			})
			events, topics := c.scheme+"://"+s.Addrs().Subscribe+"/v1/events?", c.scheme+"://"+s.Addrs().Publish+"/v1/topics/"

			live := open(t, c.via, events+"topic=orders")
			if got := live.resp.Header.Get("Connection"); live.resp.ProtoMajor != c.major || live.resp.TLS == nil != (c.scheme == "http") || c.major == 2 && got != "" {
				t.Errorf("%s, Connection %q", live.resp.Proto, got)
			}
			first := live.expect("runnel-open", `"live"`)
			if resp, body := send(t, c.via, "POST", topics+"orders", "one"); resp.StatusCode != 200 || resp.ProtoMajor != c.major {
				t.Errorf("publish: %s %s", resp.Status, body)
			}
			live.expect("", "one")
			live.close()
			s.readersAre(0)

			again := open(t, c.via, events+"topic=orders", "Last-Event-ID", first.id)
			again.expect("runnel-open", `"exact"`)
			again.expect("", "one")
			other := open(t, c.via, events+"topic=last&topic=orders&last_event_id=00000000-1")
			other.expect("runnel-open", `"reset"`)
			for e, ok := other.next(); ok && e.data != "one"; e, ok = other.next() {
				if e.typ != "runnel-gap" {
					t.Errorf("%+v", e)
				}
			}
			refused := open(t, c.via, events+"topic=orders") // a third one, softly
			refused.expect("runnel-close", `"overloaded"`)
			refused.ends()

			for request, want := range map[string]int{
				"GET /v1/events?topic=nowhere": 404, "GET /v1/events?topic=a..b": 400, "PUT /v1/events?topic=orders": 405, "OPTIONS /v1/events?topic=orders": 204,
			} {
				method, path, _ := strings.Cut(request, " ")
				resp, _ := send(t, c.via, method, c.scheme+"://"+s.Addrs().Subscribe+path, "", "Origin", "https://shop.example")
				if resp.StatusCode != want || resp.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" {
					t.Errorf("%s: %s %v", request, resp.Status, resp.Header)
				}
			}
			if resp, body := send(t, c.via, "POST", topics+"orders", strings.Repeat("x", 4<<10+1)); resp.StatusCode != 413 {
				t.Errorf("too large: %s %s", resp.Status, body)
			}
			large := strings.Repeat("x", 4<<10)
			if resp, body := send(t, c.via, "POST", topics+"orders", large); resp.StatusCode != 200 {
				t.Errorf("as large as ok: %s %s", resp.Status, body)
			}
			again.expect("", large)
			other.expect("", large)

			go s.end()
			for _, r := range []*reader{again, other} {
				r.expect("runnel-close", `"drain"`)
				r.ends()
			}
		})
	}
}

func TestRotatedCertificateIsShownToNewConnectionsAndOldOnesStay(t *testing.T) {
	ca, held := newAuthority(t), newReferences(t)
	held.putPair(ca.issue(2))
	s := startWith(t, hub.Options{References: held.dir}, encrypted)
	u := "https://" + s.Addrs().Subscribe + "/v1/events?topic=orders"
	readers := []*reader{open(t, ca.client(1, nil), u), open(t, ca.client(2, nil), u)}
	expect := func(serial int64) {
		t.Helper()
		resp, body := send(t, ca.client(1, nil), "POST", "https://"+s.Addrs().Publish+"/v1/topics/orders", "x")
		if resp.StatusCode != 200 || resp.TLS.PeerCertificates[0].SerialNumber.Int64() != serial {
			t.Errorf("%s %s, certificate %v, want %d", resp.Status, body, resp.TLS.PeerCertificates[0].SerialNumber, serial)
		}
	}
	for _, r := range readers {
		r.expect("runnel-open", "live")
	}
	expect(2)
	held.putPair(ca.issue(3))
	if err := s.Refresh(); err != nil {
		t.Fatal(err)
	}
	expect(3)

	certificate, key := ca.issue(4)
	held.put(tlsSecret, "tls.crt", certificate) // and not its key yet
	if err := s.Refresh(); err == nil || !strings.Contains(s.Status().ConfigError, "Secret shop-tls, key tls.crt: tls: private key does not match") {
		t.Errorf("%v, %q", err, s.Status().ConfigError)
	}
	if missing := s.Status().Missing; len(missing) > 0 {
		t.Errorf("missing: %q", missing)
	}
	expect(3)
	held.put(tlsSecret, "tls.key", key)
	if err := s.Refresh(); err != nil || s.Status().ConfigError != "" {
		t.Errorf("%v, %q", err, s.Status().ConfigError)
	}
	expect(4)
	held.remove(tlsSecret, "tls.key")
	if err := s.Refresh(); err != nil {
		t.Error(err)
	}
	s.expectMissing("Secret shop-tls, key tls.key")
	expect(4)
	for _, r := range readers {
		for range 5 {
			r.expect("", "x")
		}
	}
	if resp, _ := do(t, "GET", "http://"+s.Addrs().Admin+"/readyz", ""); resp.StatusCode != 200 {
		t.Errorf("readyz: %s", resp.Status)
	}
}

func TestTellsWhenItsCertificateExpires(t *testing.T) {
	ca, held := newAuthority(t), newReferences(t)
	clock := newClock()
	s := startWith(t, hub.Options{References: held.dir}.WithClock(clock.now), encrypted)
	const name = "runnel_hub_certificate_not_after_timestamp_seconds"
	if got := metrics(t, s); strings.Contains(got, name) {
		t.Error("there is none yet")
	}
	certificate, key := ca.issue(2)
	held.putPair(certificate, key)
	if err := s.Refresh(); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	end := pair.Leaf.NotAfter
	if got := metrics(t, s); !strings.Contains(got, fmt.Sprintf("%s %v\n", name, float64(end.Unix()))) {
		t.Errorf("want %v in\n%s", end, got)
	}
	if got := s.Status().ConfigError; got != "" {
		t.Error(got)
	}
	clock.advance(2 * time.Hour) // the certificate is good for one
	if got := s.Status().ConfigError; !strings.HasPrefix(got, "Secret shop-tls, key tls.crt: it expired on "+end.UTC().Format(time.RFC3339)) {
		t.Errorf("%q", got)
	}
}

func TestWithoutItsCertificateNothingGetsThrough(t *testing.T) {
	ca, held := newAuthority(t), newReferences(t)
	log := &lockedBuffer{}
	s := startWith(t, hub.Options{References: held.dir, Logger: slog.New(slog.NewTextHandler(log, nil))}, encrypted)
	s.expectMissing("Secret shop-tls, key tls.crt", "Secret shop-tls, key tls.key")
	certificate, key := ca.issue(2)
	held.putPair("not a certificate", key)
	if err := s.Refresh(); err == nil {
		t.Error("what is no certificate is taken")
	}
	s.expectMissing("Secret shop-tls, key tls.crt: ", "Secret shop-tls, key tls.key: ")
	if resp, body := do(t, "GET", "http://"+s.Addrs().Admin+"/readyz", ""); resp.StatusCode != 503 || !strings.Contains(body, "waiting for Secret shop-tls, key tls.crt") {
		t.Errorf("readyz: %s %s", resp.Status, body)
	}
	for _, addr := range []string{s.Addrs().Subscribe, s.Addrs().Publish} {
		if c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}); err == nil { //nolint:gosec // it shall fail before that matters
			_ = c.Close()
			t.Errorf("%s: the handshake succeeds", addr)
		}
		for _, request := range []string{"GET /v1/events?topic=orders HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"} {
			r, _ := raw(t, addr, request)
			if answer, _ := io.ReadAll(r); strings.Contains(string(answer), " 200 ") || bytes.Contains(answer, []byte("runnel")) {
				t.Errorf("%s in clear text: %q", addr, answer)
			}
		}
	}
	if n := strings.Count(log.String(), "no connection of a reader or publisher gets through"); n != 1 {
		t.Errorf("said %d times in\n%s", n, log)
	}
	held.putPair(certificate, key)
	if err := s.Refresh(); err != nil {
		t.Fatal(err)
	}
	s.expectMissing()
	if resp, _ := do(t, "GET", "http://"+s.Addrs().Admin+"/readyz", ""); resp.StatusCode != 200 {
		t.Errorf("readyz: %s", resp.Status)
	}
	open(t, ca.client(2, nil), "https://"+s.Addrs().Subscribe+"/v1/events?topic=orders").expect("runnel-open", "live")
}

func TestOldTLSIsRefused(t *testing.T) {
	ca, held := newAuthority(t), newReferences(t)
	held.putPair(ca.issue(2))
	s := startWith(t, hub.Options{References: held.dir}, encrypted)
	for version, good := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		via := ca.client(1, func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version })
		resp, err := via.RoundTrip(mustRequest(t, "https://"+s.Addrs().Publish+"/v1/topics/orders"))
		if (err == nil) != good {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
}

func TestPortsStayAsTheyStarted(t *testing.T) {
	ca, held := newAuthority(t), newReferences(t)
	held.putPair(ca.issue(2))
	clear := startWith(t, hub.Options{References: held.dir}, nil)
	next := base()
	encrypted(next)
	if err := clear.Reload(next); err != nil {
		t.Fatal(err)
	}
	clear.publish("orders", "x")
	if got := clear.Status(); !strings.Contains(got.RestartNeeded, "tls is new") || len(got.Missing) > 0 || got.ConfigHash != config.Hash(next) {
		t.Errorf("%+v", got)
	}
	hidden := startWith(t, hub.Options{References: held.dir}, encrypted)
	if got := hidden.Status().RestartNeeded; got != "" {
		t.Error(got)
	}
	if err := hidden.Reload(base()); err != nil {
		t.Fatal(err)
	}
	if resp, body := send(t, ca.client(2, nil), "POST", "https://"+hidden.Addrs().Publish+"/v1/topics/orders", "x"); resp.StatusCode != 200 {
		t.Errorf("%s %s", resp.Status, body)
	}
	if got := hidden.Status().RestartNeeded; !strings.Contains(got, "tls is gone") {
		t.Error(got)
	}
}

func mustRequest(t *testing.T, u string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("POST", u, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
