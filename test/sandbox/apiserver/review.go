package apiserver

import (
	"context"
	"net/http"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// review serves a kind that is only ever created, and answered in its status.
type review struct {
	empty      func() runtime.Object
	singular   string
	namespaced bool
	answer     func(context.Context, runtime.Object) error
}

func (r *review) New() runtime.Object     { return r.empty() }
func (r *review) Destroy()                {}
func (r *review) NamespaceScoped() bool   { return r.namespaced }
func (r *review) GetSingularName() string { return r.singular }

func (r *review) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, _ *metav1.CreateOptions) (runtime.Object, error) {
	if validate != nil {
		if err := validate(ctx, obj.DeepCopyObject()); err != nil {
			return nil, err
		}
	}
	return obj, r.answer(ctx, obj)
}

// authenticationStorage serves authentication.k8s.io/v1.
func authenticationStorage(a authenticator.Request) map[string]rest.Storage {
	return map[string]rest.Storage{
		"tokenreviews": &review{
			empty: func() runtime.Object { return &authenticationv1.TokenReview{} }, singular: "tokenreview",
			answer: func(ctx context.Context, obj runtime.Object) error {
				return reviewToken(ctx, a, obj.(*authenticationv1.TokenReview))
			},
		},
		"selfsubjectreviews": &review{
			empty: func() runtime.Object { return &authenticationv1.SelfSubjectReview{} }, singular: "selfsubjectreview",
			answer: func(ctx context.Context, obj runtime.Object) error {
				u, _ := request.UserFrom(ctx)
				obj.(*authenticationv1.SelfSubjectReview).Status.UserInfo = userInfo(u)
				return nil
			},
		},
	}
}

func reviewToken(ctx context.Context, a authenticator.Request, r *authenticationv1.TokenReview) error {
	if r.Spec.Token == "" {
		return apierrors.NewBadRequest("spec.token is empty: put the token to be reviewed there")
	}
	audiences := authenticator.Audiences(r.Spec.Audiences)
	if len(audiences) == 0 {
		audiences = authenticator.Audiences{Issuer}
	}
	ctx = authenticator.WithAudiences(ctx, audiences)
	req := (&http.Request{Header: http.Header{"Authorization": {"Bearer " + r.Spec.Token}}}).WithContext(ctx)
	resp, ok, err := a.AuthenticateRequest(req)
	r.Status = authenticationv1.TokenReviewStatus{Authenticated: ok && err == nil}
	if err != nil {
		r.Status.Error = err.Error()
		return nil
	}
	if ok {
		r.Status.User, r.Status.Audiences = userInfo(resp.User), resp.Audiences
	}
	return nil
}

func userInfo(u user.Info) authenticationv1.UserInfo {
	out := authenticationv1.UserInfo{Username: u.GetName(), UID: u.GetUID(), Groups: u.GetGroups()}
	for key, value := range u.GetExtra() {
		if out.Extra == nil {
			out.Extra = map[string]authenticationv1.ExtraValue{}
		}
		out.Extra[key] = value
	}
	return out
}

// authorizationStorage serves authorization.k8s.io/v1.
func authorizationStorage(a *rbacAuthorizer) map[string]rest.Storage {
	return map[string]rest.Storage{
		"subjectaccessreviews": &review{
			empty: func() runtime.Object { return &authorizationv1.SubjectAccessReview{} }, singular: "subjectaccessreview",
			answer: func(ctx context.Context, obj runtime.Object) error {
				r := obj.(*authorizationv1.SubjectAccessReview)
				return reviewAccess(ctx, a, "SubjectAccessReview", r.Spec, &r.Status)
			},
		},
		"localsubjectaccessreviews": &review{
			empty: func() runtime.Object { return &authorizationv1.LocalSubjectAccessReview{} }, singular: "localsubjectaccessreview", namespaced: true,
			answer: func(ctx context.Context, obj runtime.Object) error {
				r := obj.(*authorizationv1.LocalSubjectAccessReview)
				if ns := request.NamespaceValue(ctx); r.Spec.ResourceAttributes == nil || r.Spec.ResourceAttributes.Namespace != ns {
					return apierrors.NewBadRequest("spec.resourceAttributes.namespace must be the namespace of the review, " + ns)
				}
				return reviewAccess(ctx, a, "LocalSubjectAccessReview", r.Spec, &r.Status)
			},
		},
		"selfsubjectaccessreviews": &review{
			empty: func() runtime.Object { return &authorizationv1.SelfSubjectAccessReview{} }, singular: "selfsubjectaccessreview",
			answer: func(ctx context.Context, obj runtime.Object) error {
				r := obj.(*authorizationv1.SelfSubjectAccessReview)
				u, _ := request.UserFrom(ctx)
				if err := oneOf("SelfSubjectAccessReview", r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes); err != nil {
					return err
				}
				r.Status = a.review(ctx, u, r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes)
				return nil
			},
		},
		"selfsubjectrulesreviews": &review{
			empty: func() runtime.Object { return &authorizationv1.SelfSubjectRulesReview{} }, singular: "selfsubjectrulesreview",
			answer: func(ctx context.Context, obj runtime.Object) error {
				r := obj.(*authorizationv1.SelfSubjectRulesReview)
				if r.Spec.Namespace == "" {
					return apierrors.NewBadRequest("spec.namespace is empty: name the namespace whose rules you want")
				}
				u, _ := request.UserFrom(ctx)
				r.Status = a.reviewRules(u, r.Spec.Namespace)
				return nil
			},
		},
	}
}

func reviewAccess(ctx context.Context, a *rbacAuthorizer, kind string, spec authorizationv1.SubjectAccessReviewSpec, status *authorizationv1.SubjectAccessReviewStatus) error {
	if err := oneOf(kind, spec.ResourceAttributes, spec.NonResourceAttributes); err != nil {
		return err
	}
	if spec.User == "" && len(spec.Groups) == 0 {
		return invalidReview(kind, field.Invalid(field.NewPath("spec", "user"), "", "set at least one of user and groups"))
	}
	u := &user.DefaultInfo{Name: spec.User, Groups: slices.Clone(spec.Groups), UID: spec.UID, Extra: map[string][]string{}}
	for key, value := range spec.Extra {
		u.Extra[key] = value
	}
	*status = a.review(ctx, u, spec.ResourceAttributes, spec.NonResourceAttributes)
	return nil
}

func oneOf(kind string, r *authorizationv1.ResourceAttributes, n *authorizationv1.NonResourceAttributes) error {
	if (r == nil) == (n == nil) {
		return invalidReview(kind, field.Invalid(field.NewPath("spec"), "", "set exactly one of resourceAttributes and nonResourceAttributes"))
	}
	return nil
}

func invalidReview(kind string, err *field.Error) error {
	return apierrors.NewInvalid(authorizationv1.SchemeGroupVersion.WithKind(kind).GroupKind(), "", field.ErrorList{err})
}

// tokenREST serves serviceaccounts/token.
type tokenREST struct{ tokens *tokens }

// Bounds of a requested lifetime, those of kube-apiserver.
const (
	defaultTokenSeconds = 3600
	minTokenSeconds     = 600
	maxTokenSeconds     = 1 << 32
)

func (r *tokenREST) New() runtime.Object { return &authenticationv1.TokenRequest{} }
func (r *tokenREST) Destroy()            {}

func (r *tokenREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return authenticationv1.SchemeGroupVersion.WithKind("TokenRequest")
}

func (r *tokenREST) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, _ *metav1.CreateOptions) (runtime.Object, error) {
	req, ok := obj.(*authenticationv1.TokenRequest)
	if !ok {
		return nil, apierrors.NewBadRequest("send a TokenRequest of authentication.k8s.io/v1")
	}
	found, err := r.tokens.accounts.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	account := found.(*corev1.ServiceAccount)
	if validate != nil {
		if err := validate(ctx, obj.DeepCopyObject()); err != nil {
			return nil, err
		}
	}
	if req.Spec.ExpirationSeconds == nil {
		req.Spec.ExpirationSeconds = new(int64(defaultTokenSeconds))
	}
	if len(req.Spec.Audiences) == 0 {
		req.Spec.Audiences = []string{Issuer}
	}
	if s := *req.Spec.ExpirationSeconds; s < minTokenSeconds || s > maxTokenSeconds {
		return nil, invalidToken(name, field.Invalid(field.NewPath("spec", "expirationSeconds"), s, "must be 600 to 4294967296: a token lives for 10 minutes at least"))
	}
	pod, err := r.boundPod(ctx, name, req.Spec.BoundObjectRef)
	if err != nil {
		return nil, err
	}
	token, expires, err := r.tokens.issue(tokenRequest{
		account: account, pod: pod, audiences: req.Spec.Audiences,
		lifetime: time.Duration(*req.Spec.ExpirationSeconds) * time.Second,
	})
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	req.Name, req.Namespace, req.CreationTimestamp = name, account.Namespace, metav1.Now()
	req.Status = authenticationv1.TokenRequestStatus{Token: token, ExpirationTimestamp: metav1.NewTime(expires)}
	return req, nil
}

// boundPod is the pod that a request binds its token to, nil if it names none.
func (r *tokenREST) boundPod(ctx context.Context, account string, ref *authenticationv1.BoundObjectReference) (*corev1.Pod, error) {
	if ref == nil {
		return nil, nil
	}
	path := field.NewPath("spec", "boundObjectRef")
	if ref.Kind != "Pod" || ref.APIVersion != "v1" {
		return nil, invalidToken(account, field.NotSupported(path.Child("kind"), ref.APIVersion+" "+ref.Kind, []string{"v1 Pod"}))
	}
	found, err := r.tokens.pods.Get(ctx, ref.Name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	pod := found.(*corev1.Pod)
	if ref.UID != "" && ref.UID != pod.UID {
		return nil, apierrors.NewConflict(corev1.Resource("pods"), ref.Name, errTokenOrphaned)
	}
	if pod.Spec.ServiceAccountName != account {
		return nil, apierrors.NewBadRequest("pod " + ref.Name + " runs as ServiceAccount " + pod.Spec.ServiceAccountName + ", not as " + account)
	}
	return pod, nil
}

func invalidToken(name string, err *field.Error) error {
	return apierrors.NewInvalid(authenticationv1.SchemeGroupVersion.WithKind("TokenRequest").GroupKind(), name, field.ErrorList{err})
}
