package auth

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What a hub waits for becomes the message of a condition, which must not change with every try.
func TestTheSameFailureHasTheSameWords(t *testing.T) {
	resets := func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			err = errors.Join(c.(*net.TCPConn).SetLinger(0), c.Close())
		}
		if err != nil {
			t.Error(err)
		}
	}
	expired := func(http.Handler) *httptest.Server {
		key := ec(t, elliptic.P256())
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(-time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(nil)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		return s
	}
	for want, start := range map[string]func(http.Handler) *httptest.Server{"connection reset": httptest.NewServer, "its certificate has expired": expired} {
		s := newKeyServer(t, start, resets)
		remote := NewRemoteKeys(nil, nil)
		t.Cleanup(remote.Close)
		_, _, first := fetch(context.Background(), remote.client, s.URL)
		_, _, second := fetch(context.Background(), remote.client, s.URL)
		if first == nil || second == nil || first.Error() != second.Error() || !strings.Contains(first.Error(), want) || strings.Contains(first.Error(), "current time") {
			t.Errorf("%v, then %v, want %q", first, second, want)
		}
	}
}
