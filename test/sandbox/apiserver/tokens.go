package apiserver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Issuer is the `iss` of every ServiceAccount token, and the audience that the API server itself accepts: what a cluster
// made by kubeadm uses.
const Issuer = "https://kubernetes.default.svc.cluster.local"

// reference names an object in a token.
type reference struct {
	Name string    `json:"name"`
	UID  types.UID `json:"uid,omitempty"`
}

// privateClaims is the claim `kubernetes.io` of a token.
type privateClaims struct {
	Namespace      string     `json:"namespace"`
	Node           *reference `json:"node,omitempty"`
	Pod            *reference `json:"pod,omitempty"`
	ServiceAccount reference  `json:"serviceaccount"`
}

type tokenClaims struct {
	jwt.RegisteredClaims
	Kubernetes privateClaims `json:"kubernetes.io"`
}

// tokenRequest is what a token is to say.
type tokenRequest struct {
	account   *corev1.ServiceAccount
	pod       *corev1.Pod // nil if the token is bound to no pod
	audiences []string
	lifetime  time.Duration
}

// tokens issues and checks ServiceAccount tokens.
type tokens struct {
	keys     *keyring
	accounts rest.Getter
	pods     rest.Getter
}

// issue signs a token, and says when it expires.
func (t *tokens) issue(r tokenRequest) (string, time.Time, error) {
	now := time.Now().Truncate(time.Second)
	expires := now.Add(r.lifetime)
	c := tokenClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    Issuer,
			Subject:   serviceaccount.MakeUsername(r.account.Namespace, r.account.Name),
			Audience:  r.audiences,
			ExpiresAt: jwt.NewNumericDate(expires),
			NotBefore: jwt.NewNumericDate(now),
			IssuedAt:  jwt.NewNumericDate(now),
			ID:        uuid.NewString(),
		},
		Kubernetes: privateClaims{
			Namespace:      r.account.Namespace,
			ServiceAccount: reference{Name: r.account.Name, UID: r.account.UID},
		},
	}
	if r.pod != nil {
		c.Kubernetes.Pod = &reference{Name: r.pod.Name, UID: r.pod.UID}
		if r.pod.Spec.NodeName != "" {
			c.Kubernetes.Node = &reference{Name: r.pod.Spec.NodeName}
		}
	}
	key := t.keys.signer()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, c)
	token.Header["kid"] = key.id
	delete(token.Header, "typ") // kube-apiserver sets none
	signed, err := token.SignedString(key.private)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign a ServiceAccount token: %w", err)
	}
	return signed, expires, nil
}

// AuthenticateToken implements authenticator.Token. A token is good if a published key signed it, its time is now, one of
// its audiences is asked for, and its ServiceAccount and pod are still there.
func (t *tokens) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	if strings.Count(token, ".") != 2 {
		return nil, false, nil // somebody else's token
	}
	var c tokenClaims
	_, err := jwt.ParseWithClaims(token, &c, func(parsed *jwt.Token) (any, error) {
		id, _ := parsed.Header["kid"].(string)
		if key, ok := t.keys.public(id); ok {
			return key, nil
		}
		return nil, fmt.Errorf("no published key has the id %q", id)
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(Issuer), jwt.WithExpirationRequired())
	if err != nil {
		return nil, false, fmt.Errorf("ServiceAccount token: %w", err)
	}
	wanted, ok := authenticator.AudiencesFrom(ctx)
	if !ok {
		wanted = authenticator.Audiences{Issuer}
	}
	matched := authenticator.Audiences(c.Audience).Intersect(wanted)
	if len(matched) == 0 {
		return nil, false, fmt.Errorf("ServiceAccount token: its audiences %q hold none of %q", []string(c.Audience), []string(wanted))
	}
	if err := t.stillThere(ctx, c.Kubernetes); err != nil {
		return nil, false, fmt.Errorf("ServiceAccount token: %w", err)
	}
	info := serviceaccount.ServiceAccountInfo{
		Namespace: c.Kubernetes.Namespace, Name: c.Kubernetes.ServiceAccount.Name, UID: string(c.Kubernetes.ServiceAccount.UID),
		CredentialID: "JTI=" + c.ID,
	}
	if p := c.Kubernetes.Pod; p != nil {
		info.PodName, info.PodUID = p.Name, string(p.UID)
	}
	if n := c.Kubernetes.Node; n != nil {
		info.NodeName, info.NodeUID = n.Name, string(n.UID)
	}
	return &authenticator.Response{User: info.UserInfo(), Audiences: matched}, true, nil
}

var errTokenOrphaned = errors.New("what it is bound to has been deleted")

// stillThere fails when the ServiceAccount or the pod of a token is gone or is another one of the same name.
func (t *tokens) stillThere(ctx context.Context, c privateClaims) error {
	ctx = request.WithNamespace(ctx, c.Namespace)
	obj, err := t.accounts.Get(ctx, c.ServiceAccount.Name, &metav1.GetOptions{})
	if err := bound(obj, err, c.ServiceAccount.UID); err != nil {
		return fmt.Errorf("ServiceAccount %s/%s: %w", c.Namespace, c.ServiceAccount.Name, err)
	}
	if c.Pod == nil {
		return nil
	}
	obj, err = t.pods.Get(ctx, c.Pod.Name, &metav1.GetOptions{})
	if err := bound(obj, err, c.Pod.UID); err != nil {
		return fmt.Errorf("pod %s/%s: %w", c.Namespace, c.Pod.Name, err)
	}
	return nil
}

func bound(obj any, err error, uid types.UID) error {
	if apierrors.IsNotFound(err) {
		return errTokenOrphaned
	}
	if err != nil {
		return err
	}
	// As in kube-apiserver, what is being deleted keeps its tokens for the leeway of a minute.
	m := obj.(metav1.Object)
	if m.GetUID() != uid {
		return errTokenOrphaned
	}
	if d := m.GetDeletionTimestamp(); d != nil && time.Since(d.Time) > time.Minute {
		return errTokenOrphaned
	}
	return nil
}
