package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/runnel-dev/runnel/test/sse"
)

// holds makes a Secret of the stream's namespace hold this.
func (s *stream) holds(ctx context.Context, name string, kind corev1.SecretType, data map[string][]byte) {
	GinkgoHelper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.key.Namespace, Name: name}}
	_, err := controllerutil.CreateOrUpdate(ctx, p.Client, secret, func() error {
		secret.Type, secret.Data = kind, data
		return nil
	})
	Expect(err).NotTo(HaveOccurred())
	s.synced(ctx)
}

// publishes makes a ConfigMap of the stream's namespace hold this.
func (s *stream) publishes(ctx context.Context, name string, data map[string]string) {
	GinkgoHelper()
	o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.key.Namespace, Name: name}}
	_, err := controllerutil.CreateOrUpdate(ctx, p.Client, o, func() error {
		o.Data = data
		return nil
	})
	Expect(err).NotTo(HaveOccurred())
	s.synced(ctx)
}

// synced has the kubelet renew the mounted files now. It does so by itself within a minute or two, which no test waits for.
func (s *stream) synced(ctx context.Context) {
	GinkgoHelper()
	patch(ctx, s.hub(ctx), `{"metadata":{"annotations":{"team.example/synced":"`+string(uuid.NewUUID())+`"}}}`)
}

// bearing sends a token.
func bearing(token string) sse.Header { return sse.With("Authorization", "Bearer "+token) }

// claimsOf are those of a token for the stream, good for an hour.
func claimsOf(issuer, subject string, more jwt.MapClaims) jwt.MapClaims {
	claims := jwt.MapClaims{"iss": issuer, "sub": subject, "aud": "shop", "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range more {
		claims[name] = value
	}
	return claims
}

func signed(method jwt.SigningMethod, key any, id string, claims jwt.MapClaims) string {
	GinkgoHelper()
	token := jwt.NewWithClaims(method, claims)
	if id != "" {
		token.Header["kid"] = id
	}
	text, err := token.SignedString(key)
	Expect(err).NotTo(HaveOccurred())
	return text
}

// newKey is a key of an issuer.
func newKey() *ecdsa.PrivateKey {
	GinkgoHelper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	return key
}

// keySet is a JSON Web Key Set (RFC 7517) with the public half of a key.
func keySet(id string, key *ecdsa.PrivateKey) string {
	GinkgoHelper()
	point, err := key.PublicKey.Bytes()
	Expect(err).NotTo(HaveOccurred())
	half := (len(point) - 1) / 2 // behind the byte that says that both halves are there
	text, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": id,
		"x": base64.RawURLEncoding.EncodeToString(point[1 : 1+half]),
		"y": base64.RawURLEncoding.EncodeToString(point[1+half:]),
	}}})
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// certificate is one for a name, by itself, with its key, as a Secret of type kubernetes.io/tls holds them.
func certificate(serial int64, name string) map[string][]byte {
	GinkgoHelper()
	key := newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	Expect(err).NotTo(HaveOccurred())
	private, err := x509.MarshalPKCS8PrivateKey(key)
	Expect(err).NotTo(HaveOccurred())
	return map[string][]byte{
		corev1.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
}

// trusting connects to who shows one of these certificates for the name, and to nobody else.
func trusting(name string, secrets ...map[string][]byte) *http.Transport {
	GinkgoHelper()
	roots := x509.NewCertPool()
	for _, s := range secrets {
		Expect(roots.AppendCertsFromPEM(s[corev1.TLSCertKey])).To(BeTrue())
	}
	return &http.Transport{DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name}}
}

// reached finds out where the clients of a stream go that need not be Ready.
func (s *stream) reached(ctx context.Context) {
	GinkgoHelper()
	var err error
	s.subscribe, err = p.SubscribeURL(ctx, s.key)
	Expect(err).NotTo(HaveOccurred())
	s.publish, err = p.PublishURL(ctx, s.key)
	Expect(err).NotTo(HaveOccurred())
}
