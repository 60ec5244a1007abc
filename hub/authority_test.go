package hub_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

// authority makes certificates that its clients believe.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	root *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, root: &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, a.root, a.root, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue returns a certificate and its key as a Secret holds them.
func (a *authority) issue(serial int64) (certificate, key string) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.root, private.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// client believes the authority, and speaks one version of HTTP.
func (a *authority) client(version int, change func(*tls.Config)) *http.Transport {
	pool := x509.NewCertPool()
	pool.AddCert(a.root)
	c := &tls.Config{RootCAs: pool}
	if change != nil {
		change(c)
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(version == 1)
	protocols.SetHTTP2(version == 2)
	via := &http.Transport{TLSClientConfig: c, Protocols: protocols}
	a.t.Cleanup(via.CloseIdleConnections)
	return via
}

// startCertified is startJWT for a hub that is encrypted if there is an authority for its certificate.
func startCertified(t *testing.T, ca *authority, change func(*config.Config)) *server {
	t.Helper()
	held := newReferences(t)
	if ca == nil {
		return startJWTFrom(t, held, hub.Options{}, change)
	}
	held.putPair(ca.issue(2))
	return startJWTFrom(t, held, hub.Options{}, func(c *config.Config) { encrypted(c); change(c) })
}
