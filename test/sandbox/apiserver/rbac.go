package apiserver

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	rbacinformers "k8s.io/client-go/informers/rbac/v1"
	rbaclisters "k8s.io/client-go/listers/rbac/v1"
)

// rbacAuthorizer allows what the RBAC objects say, and system:masters everything.
type rbacAuthorizer struct {
	roles           rbaclisters.RoleLister
	bindings        rbaclisters.RoleBindingLister
	clusterRoles    rbaclisters.ClusterRoleLister
	clusterBindings rbaclisters.ClusterRoleBindingLister
}

func newRBACAuthorizer(i rbacinformers.Interface) *rbacAuthorizer {
	return &rbacAuthorizer{
		roles: i.Roles().Lister(), bindings: i.RoleBindings().Lister(),
		clusterRoles: i.ClusterRoles().Lister(), clusterBindings: i.ClusterRoleBindings().Lister(),
	}
}

// authorize has the signature of authorizer.AuthorizerFunc. RBAC never denies: it allows, or has no opinion.
func (z *rbacAuthorizer) authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	if slices.Contains(a.GetUser().GetGroups(), user.SystemPrivilegedGroup) {
		return authorizer.DecisionAllow, "", nil
	}
	granted := ""
	z.visit(a.GetUser(), a.GetNamespace(), func(by string, r rbacv1.PolicyRule) bool {
		if allows(r, a) {
			granted = by
		}
		return granted == ""
	})
	if granted != "" {
		return authorizer.DecisionAllow, "RBAC: allowed by " + granted, nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

// visit calls f for every rule that a user has in a namespace (none: the cluster) until f returns false. A binding whose
// role is missing grants nothing, as if it were not there.
func (z *rbacAuthorizer) visit(u user.Info, namespace string, f func(by string, r rbacv1.PolicyRule) bool) {
	all, _ := z.clusterBindings.List(labels.Everything()) // a lister of an informer's store cannot fail
	for _, b := range all {
		if !applies(b.Subjects, u, "") {
			continue
		}
		for _, r := range z.rules(b.RoleRef, "") {
			if !f(fmt.Sprintf("ClusterRoleBinding %q", b.Name), r) {
				return
			}
		}
	}
	if namespace == "" {
		return
	}
	local, _ := z.bindings.RoleBindings(namespace).List(labels.Everything())
	for _, b := range local {
		if !applies(b.Subjects, u, namespace) {
			continue
		}
		for _, r := range z.rules(b.RoleRef, namespace) {
			if !f(fmt.Sprintf("RoleBinding %q", b.Namespace+"/"+b.Name), r) {
				return
			}
		}
	}
}

func (z *rbacAuthorizer) rules(ref rbacv1.RoleRef, namespace string) []rbacv1.PolicyRule {
	if ref.Kind == "ClusterRole" {
		if r, err := z.clusterRoles.Get(ref.Name); err == nil {
			return r.Rules
		}
		return nil
	}
	if r, err := z.roles.Roles(namespace).Get(ref.Name); err == nil {
		return r.Rules
	}
	return nil
}

// applies says whether a binding in a namespace (none: the cluster) names the user.
func applies(subjects []rbacv1.Subject, u user.Info, namespace string) bool {
	return slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool {
		switch s.Kind {
		case rbacv1.UserKind:
			return s.Name == u.GetName()
		case rbacv1.GroupKind:
			return slices.Contains(u.GetGroups(), s.Name)
		case rbacv1.ServiceAccountKind:
			ns := s.Namespace
			if ns == "" {
				ns = namespace
			}
			return ns != "" && serviceaccount.MatchesUsername(ns, s.Name, u.GetName())
		}
		return false
	})
}

func allows(r rbacv1.PolicyRule, a authorizer.Attributes) bool {
	if !holds(r.Verbs, a.GetVerb()) {
		return false
	}
	if !a.IsResourceRequest() {
		return slices.ContainsFunc(r.NonResourceURLs, func(u string) bool {
			prefix, wild := strings.CutSuffix(u, "*")
			return u == a.GetPath() || wild && strings.HasPrefix(a.GetPath(), prefix)
		})
	}
	resource := a.GetResource()
	sub := a.GetSubresource()
	if sub != "" {
		resource += "/" + sub
	}
	return holds(r.APIGroups, a.GetAPIGroup()) &&
		(holds(r.Resources, resource) || sub != "" && slices.Contains(r.Resources, "*/"+sub)) &&
		(len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, a.GetName()))
}

func holds(list []string, v string) bool {
	return slices.Contains(list, v) || slices.Contains(list, "*")
}

// review answers an access review.
func (z *rbacAuthorizer) review(ctx context.Context, u user.Info, r *authorizationv1.ResourceAttributes, n *authorizationv1.NonResourceAttributes) authorizationv1.SubjectAccessReviewStatus {
	a := authorizer.AttributesRecord{User: u}
	if r != nil {
		a.ResourceRequest, a.Verb = true, r.Verb
		a.APIGroup, a.APIVersion, a.Resource, a.Subresource = r.Group, r.Version, r.Resource, r.Subresource
		a.Namespace, a.Name = r.Namespace, r.Name
	} else {
		a.Verb, a.Path = n.Verb, n.Path
	}
	decision, reason, err := z.authorize(ctx, a)
	out := authorizationv1.SubjectAccessReviewStatus{Allowed: decision == authorizer.DecisionAllow, Reason: reason}
	if err != nil {
		out.EvaluationError = err.Error()
	}
	return out
}

// reviewRules lists what a user may do in a namespace.
func (z *rbacAuthorizer) reviewRules(u user.Info, namespace string) authorizationv1.SubjectRulesReviewStatus {
	out := authorizationv1.SubjectRulesReviewStatus{
		ResourceRules: []authorizationv1.ResourceRule{}, NonResourceRules: []authorizationv1.NonResourceRule{},
	}
	add := func(_ string, r rbacv1.PolicyRule) bool {
		if len(r.Resources) > 0 {
			out.ResourceRules = append(out.ResourceRules, authorizationv1.ResourceRule{
				Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources, ResourceNames: r.ResourceNames,
			})
		}
		if len(r.NonResourceURLs) > 0 {
			out.NonResourceRules = append(out.NonResourceRules, authorizationv1.NonResourceRule{Verbs: r.Verbs, NonResourceURLs: r.NonResourceURLs})
		}
		return true
	}
	z.visit(u, namespace, add)
	return out
}
