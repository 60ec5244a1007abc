package apiserver_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"github.com/golang-jwt/jwt/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/test/sandbox/apiserver"
)

const hubAudience = "runnel.dev/team-a/shop"

func requestToken(ctx SpecContext, ns, name string, spec authenticationv1.TokenRequestSpec) (string, error) {
	r, err := typed.CoreV1().ServiceAccounts(ns).CreateToken(ctx, name, &authenticationv1.TokenRequest{Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return r.Status.Token, nil
}

func reviewed(ctx SpecContext, token string, audiences ...string) authenticationv1.TokenReviewStatus {
	r, err := typed.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences},
	}, metav1.CreateOptions{})
	ExpectWithOffset(1, err).NotTo(HaveOccurred())
	return r.Status
}

// publishedKey reads a key of the server's set as an outsider would, and fails for any other.
func publishedKey(ctx SpecContext, c kubernetes.Interface) jwt.Keyfunc {
	text, err := c.CoreV1().RESTClient().Get().AbsPath("/openid/v1/jwks").DoRaw(ctx)
	ExpectWithOffset(1, err).NotTo(HaveOccurred())
	var set struct {
		Keys []struct{ Kid, Kty, Alg, Use, N, E string }
	}
	ExpectWithOffset(1, json.Unmarshal(text, &set)).To(Succeed())
	return func(t *jwt.Token) (any, error) {
		for _, k := range set.Keys {
			if k.Kid != t.Header["kid"] || k.Alg != t.Method.Alg() {
				continue
			}
			n, err1 := base64.RawURLEncoding.DecodeString(k.N)
			e, err2 := base64.RawURLEncoding.DecodeString(k.E)
			if err1 != nil || err2 != nil {
				return nil, fmt.Errorf("the key is no base64url")
			}
			return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
		}
		return nil, fmt.Errorf("no key %v among %d", t.Header["kid"], len(set.Keys))
	}
}

var _ = Describe("ServiceAccount tokens", func() {
	var ns string
	BeforeEach(func(ctx SpecContext) {
		ns = newNamespace(ctx, nil)
		Expect(admin.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "checkout"}})).To(Succeed())
	})
	as := func(ctx SpecContext) kubernetes.Interface {
		cfg, err := server.ServiceAccountConfig(ctx, ns, "checkout")
		Expect(err).NotTo(HaveOccurred())
		return kubernetes.NewForConfigOrDie(cfg)
	}

	It("are verified by the published keys, and say what a cluster's say", func(ctx SpecContext) {
		began := time.Now().Truncate(time.Second) // claims count whole seconds
		token, err := requestToken(ctx, ns, "checkout", authenticationv1.TokenRequestSpec{Audiences: []string{hubAudience}})
		Expect(err).NotTo(HaveOccurred())
		claims := jwt.MapClaims{}
		_, err = jwt.ParseWithClaims(token, claims, publishedKey(ctx, as(ctx)), jwt.WithAudience(hubAudience), jwt.WithIssuer(apiserver.Issuer))
		Expect(err).NotTo(HaveOccurred())
		Expect(claims).To(HaveKeyWithValue("sub", "system:serviceaccount:"+ns+":checkout"))
		Expect(claims).To(And(HaveKey("exp"), HaveKey("nbf"), HaveKey("iat"), HaveKey("jti")))
		Expect(claims["aud"]).To(Equal([]any{hubAudience}))
		Expect(claims["kubernetes.io"]).To(HaveKeyWithValue("namespace", ns))
		Expect(claims["kubernetes.io"]).To(HaveKeyWithValue("serviceaccount", HaveKeyWithValue("name", "checkout")))
		until, err := claims.GetExpirationTime()
		Expect(err).NotTo(HaveOccurred())
		since, err := claims.GetIssuedAt()
		Expect(err).NotTo(HaveOccurred())
		Expect(since.Time).To(And(BeTemporally(">=", began), BeTemporally("<=", time.Now())))
		Expect(until.Sub(since.Time)).To(Equal(time.Hour))
	})

	It("come from the issuer that the discovery document names", func(ctx SpecContext) {
		text, err := as(ctx).CoreV1().RESTClient().Get().AbsPath("/.well-known/openid-configuration").DoRaw(ctx)
		Expect(err).NotTo(HaveOccurred())
		var doc map[string]any
		Expect(json.Unmarshal(text, &doc)).To(Succeed())
		Expect(doc).To(HaveKeyWithValue("issuer", apiserver.Issuer))
		Expect(doc).To(HaveKeyWithValue("jwks_uri", server.Config.Host+"/openid/v1/jwks"))
		anonymous := rest.AnonymousClientConfig(server.Config)
		_, err = kubernetes.NewForConfigOrDie(anonymous).CoreV1().RESTClient().Get().AbsPath("/openid/v1/jwks").DoRaw(ctx)
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
	})

	It("are reviewed for the audiences that are asked for", func(ctx SpecContext) {
		token, err := requestToken(ctx, ns, "checkout", authenticationv1.TokenRequestSpec{Audiences: []string{hubAudience, "b"}})
		Expect(err).NotTo(HaveOccurred())
		good := reviewed(ctx, token, "a", hubAudience)
		Expect(good.Authenticated).To(BeTrue())
		Expect(good.Audiences).To(Equal([]string{hubAudience}))
		Expect(good.User.Username).To(Equal("system:serviceaccount:" + ns + ":checkout"))
		Expect(good.User.Groups).To(ContainElements("system:serviceaccounts", "system:serviceaccounts:"+ns, "system:authenticated"))
		other := reviewed(ctx, token, "a")
		Expect(other.Authenticated).To(BeFalse())
		Expect(other.Error).To(ContainSubstring("audiences"))
		Expect(reviewed(ctx, token).Authenticated).To(BeFalse(), "the server's own audience is the default")
		Expect(reviewed(ctx, token[:len(token)-8]+"AAAAAAAA", hubAudience).Authenticated).To(BeFalse())
	})

	It("open the API server only if they are meant for it", func(ctx SpecContext) {
		cfg := rest.AnonymousClientConfig(server.Config)
		token, err := requestToken(ctx, ns, "checkout", authenticationv1.TokenRequestSpec{Audiences: []string{hubAudience}})
		Expect(err).NotTo(HaveOccurred())
		cfg.BearerToken = token
		_, err = kubernetes.NewForConfigOrDie(cfg).AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		Expect(apierrors.IsUnauthorized(err)).To(BeTrue(), "%v", err)
		cfg.BearerToken, err = requestToken(ctx, ns, "checkout", authenticationv1.TokenRequestSpec{})
		Expect(err).NotTo(HaveOccurred())
		who, err := kubernetes.NewForConfigOrDie(cfg).AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(who.Status.UserInfo.Username).To(Equal("system:serviceaccount:" + ns + ":checkout"))
	})

	It("end with their ServiceAccount", func(ctx SpecContext) {
		token, err := requestToken(ctx, ns, "checkout", authenticationv1.TokenRequestSpec{})
		Expect(err).NotTo(HaveOccurred())
		Expect(reviewed(ctx, token).Authenticated).To(BeTrue())
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "checkout"}}
		Expect(admin.Delete(ctx, account)).To(Succeed())
		Expect(reviewed(ctx, token).Authenticated).To(BeFalse())
		account.ResourceVersion, account.UID = "", ""
		Expect(admin.Create(ctx, account)).To(Succeed())
		Expect(reviewed(ctx, token).Authenticated).To(BeFalse(), "another account of the same name")
	})

	It("are bound to a pod, and end with it", func(ctx SpecContext) {
		p := newPod(ns, "p")
		p.Spec.ServiceAccountName = "checkout"
		Expect(admin.Create(ctx, p)).To(Succeed())
		ref := &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: "p", UID: p.UID}
		Expect(admin.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "other"}})).To(Succeed())
		_, err := requestToken(ctx, ns, "other", authenticationv1.TokenRequestSpec{BoundObjectRef: ref})
		Expect(err).To(MatchError(ContainSubstring("runs as ServiceAccount checkout")))
		token, err := requestToken(ctx, ns, "checkout", authenticationv1.TokenRequestSpec{BoundObjectRef: ref})
		Expect(err).NotTo(HaveOccurred())
		Expect(reviewed(ctx, token).User.Extra).To(HaveKeyWithValue("authentication.kubernetes.io/pod-name", authenticationv1.ExtraValue{"p"}))
		Expect(admin.Delete(ctx, p, client.GracePeriodSeconds(0))).To(Succeed())
		Expect(reviewed(ctx, token).Authenticated).To(BeFalse())
	})

	It("are refused for less than ten minutes", func(ctx SpecContext) {
		_, err := requestToken(ctx, ns, "checkout", authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(60))})
		Expect(err).To(MatchError(ContainSubstring("spec.expirationSeconds")))
	})

	It("outlive the rotation of the key, and not its withdrawal", Serial, func(ctx SpecContext) {
		old, err := requestToken(ctx, ns, "checkout", authenticationv1.TokenRequestSpec{})
		Expect(err).NotTo(HaveOccurred())
		Expect(server.RotateKey()).To(Succeed())
		fresh, err := requestToken(ctx, ns, "checkout", authenticationv1.TokenRequestSpec{})
		Expect(err).NotTo(HaveOccurred())
		for _, token := range []string{old, fresh} {
			Expect(reviewed(ctx, token).Authenticated).To(BeTrue())
			_, err := jwt.Parse(token, publishedKey(ctx, typed))
			Expect(err).NotTo(HaveOccurred())
		}
		server.DropOldKeys()
		Expect(reviewed(ctx, old).Authenticated).To(BeFalse())
		Expect(reviewed(ctx, fresh).Authenticated).To(BeTrue())
		_, err = jwt.Parse(old, publishedKey(ctx, typed))
		Expect(err).To(HaveOccurred())
	})
})
