package apiserver

import (
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
)

// Verbs by what they are for.
func readVerbs() []string { return []string{"get", "list", "watch"} }
func writeVerbs() []string {
	return []string{"create", "delete", "deletecollection", "patch", "update"}
}

func rule(verbs []string, group string, resources ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: verbs, APIGroups: []string{group}, Resources: resources}
}

// bootstrapLabels mark what Kubernetes itself brings.
func bootstrapLabels() map[string]string {
	return map[string]string{"kubernetes.io/bootstrapping": "rbac-defaults"}
}

func clusterRole(name string, rules ...rbacv1.PolicyRule) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: bootstrapLabels()}, Rules: rules}
}

// aggregateRole is a role that is the sum of those labelled for it; custom resources join it by such roles.
func aggregateRole(name string) *rbacv1.ClusterRole {
	r := clusterRole(name)
	r.AggregationRule = &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{
		{MatchLabels: map[string]string{aggregateLabel(name): "true"}},
	}}
	return r
}

func aggregateLabel(to string) string { return "rbac.authorization.k8s.io/aggregate-to-" + to }

func joining(to string, r *rbacv1.ClusterRole) *rbacv1.ClusterRole {
	r.Labels[aggregateLabel(to)] = "true"
	return r
}

// bootstrapRoles are the ClusterRoles that people and manifests count on, for the kinds that are served here.
func bootstrapRoles() []*rbacv1.ClusterRole {
	urls := func(paths ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: paths}
	}
	everything := clusterRole("cluster-admin", rule([]string{"*"}, "*", "*"))
	everything.Rules = append(everything.Rules, rbacv1.PolicyRule{Verbs: []string{"*"}, NonResourceURLs: []string{"*"}})
	admin := aggregateRole("admin")
	edit := joining("admin", aggregateRole("edit"))
	view := joining("edit", aggregateRole("view"))
	return []*rbacv1.ClusterRole{
		everything, admin, edit, view,
		joining("admin", clusterRole("system:aggregate-to-admin",
			rule([]string{"create"}, "authorization.k8s.io", "localsubjectaccessreviews"),
			rule(append(readVerbs(), writeVerbs()...), "rbac.authorization.k8s.io", "roles", "rolebindings"),
		)),
		joining("edit", clusterRole("system:aggregate-to-edit", editRules()...)),
		joining("view", clusterRole("system:aggregate-to-view", viewRules()...)),
		clusterRole("system:discovery", urls("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/")),
		clusterRole("system:public-info-viewer", urls("/healthz", "/livez", "/readyz", "/version", "/version/")),
		clusterRole("system:basic-user",
			rule([]string{"create"}, "authorization.k8s.io", "selfsubjectaccessreviews", "selfsubjectrulesreviews"),
			rule([]string{"create"}, "authentication.k8s.io", "selfsubjectreviews"),
		),
		clusterRole("system:service-account-issuer-discovery", urls("/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks", "/openid/v1/jwks/")),
		clusterRole("system:auth-delegator",
			rule([]string{"create"}, "authentication.k8s.io", "tokenreviews"),
			rule([]string{"create"}, "authorization.k8s.io", "subjectaccessreviews"),
		),
	}
}

func viewRules() []rbacv1.PolicyRule {
	read := readVerbs()
	return []rbacv1.PolicyRule{
		rule(read, "", "configmaps", "endpoints", "events", "namespaces", "namespaces/status", "pods", "pods/log", "pods/status", "serviceaccounts", "services", "services/status"),
		rule(read, "discovery.k8s.io", "endpointslices"),
		rule(read, "apps", "controllerrevisions", "deployments", "deployments/scale", "deployments/status", "replicasets", "replicasets/scale", "replicasets/status", "statefulsets", "statefulsets/scale", "statefulsets/status"),
		rule(read, "autoscaling", "horizontalpodautoscalers", "horizontalpodautoscalers/status"),
		rule(read, "policy", "poddisruptionbudgets", "poddisruptionbudgets/status"),
		rule(read, "networking.k8s.io", "ingresses", "ingresses/status", "networkpolicies"),
	}
}

func editRules() []rbacv1.PolicyRule {
	write := writeVerbs()
	return []rbacv1.PolicyRule{
		rule(readVerbs(), "", "secrets"),
		rule(append(write, "impersonate"), "", "serviceaccounts"),
		rule(write, "", "configmaps", "endpoints", "events", "pods", "secrets", "services"),
		rule([]string{"create"}, "", "pods/eviction", "serviceaccounts/token"),
		rule(write, "apps", "deployments", "deployments/rollback", "deployments/scale", "replicasets", "replicasets/scale", "statefulsets", "statefulsets/scale"),
		rule(write, "autoscaling", "horizontalpodautoscalers"),
		rule(write, "policy", "poddisruptionbudgets"),
		rule(write, "networking.k8s.io", "ingresses", "networkpolicies"),
		rule(append(readVerbs(), write...), "coordination.k8s.io", "leases"),
	}
}

// bootstrapBindings give the groups of every cluster their roles.
func bootstrapBindings() []*rbacv1.ClusterRoleBinding {
	bind := func(role string, groups ...string) *rbacv1.ClusterRoleBinding {
		b := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role, Labels: bootstrapLabels()},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		}
		for _, g := range groups {
			b.Subjects = append(b.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: g})
		}
		return b
	}
	return []*rbacv1.ClusterRoleBinding{
		bind("cluster-admin", user.SystemPrivilegedGroup),
		bind("system:discovery", user.AllAuthenticated),
		bind("system:basic-user", user.AllAuthenticated),
		bind("system:public-info-viewer", user.AllAuthenticated, user.AllUnauthenticated),
		bind("system:service-account-issuer-discovery", serviceaccount.AllServiceAccountsGroup),
	}
}
