package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/runnel-dev/runnel/hub/config"
)

func pemOf(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// authority makes a certificate that has signed no other.
func authority(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// TestOnlyTheCABundleIsTrusted follows a key server whose certificate no authority of the system has signed, first without a bundle,
// then with a missing, a malformed, a wrong and the right one.
func TestOnlyTheCABundleIsTrusted(t *testing.T) {
	c := newClock()
	e := ec(t, elliptic.P256())
	token := sign(t, jose.ES256, e, "e", says(c.Now(), nil))
	s := newKeyServer(t, httptest.NewTLSServer, text(keyset(t, public(e, "e"))))
	remote := NewRemoteKeys(nil, c.Now)
	t.Cleanup(remote.Close)
	reference := &config.Reference{Kind: config.KindConfigMap, Name: "id-example-ca", Key: "ca.crt"}
	follow := func(bundle *config.Reference, held content) *Subscribers {
		subs, err := NewSubscribers(jwtConfig("shop", config.JWT{Issuers: []config.TokenIssuer{
			{Issuer: idp, Audiences: []string{forReader}, JWKSURI: s.URL, CABundle: bundle, Topics: []string{">"}},
		}}), held.read, remote)
		if err != nil {
			t.Fatal(err)
		}
		remote.Follow(subs.KeySources())
		return subs
	}
	never := func(subs *Subscribers, reason string) {
		t.Helper()
		var missing []string
		eventually(t, "the reason "+reason+" is never given", func() bool {
			missing = subs.Missing()
			return strings.Contains(strings.Join(missing, "\n"), reason)
		})
		if err := subs.lets(token); !errors.Is(err, ErrNotReady) {
			t.Errorf("%q: %v", missing, err)
		}
	}
	never(follow(nil, content{}), "certificate")
	asked := s.asked.Load()
	never(follow(reference, content{}), "ConfigMap id-example-ca, key ca.crt")
	bad := follow(reference, content{reference.String(): "-----BEGIN"})
	never(bad, "it holds no certificate")
	if len(bad.Invalid()) != 1 {
		t.Errorf("%v", bad.Invalid())
	}
	if n := s.asked.Load(); n != asked {
		t.Errorf("the server was asked %d times without the bundle", n-asked)
	}
	never(follow(reference, content{reference.String(): pemOf(authority(t))}), "certificate")
	right := follow(reference, content{reference.String(): pemOf(s.Certificate())})
	eventually(t, "the token is never accepted", func() bool { return right.lets(token) == nil })
}
