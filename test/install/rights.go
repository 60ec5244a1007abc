package install

import (
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Rights are the rules that an account has, by namespace; those of the whole cluster have none.
type Rights map[string][]rbacv1.PolicyRule

// RightsOf follows the bindings of a ServiceAccount in the operator's namespace.
func RightsOf(objects Objects, account string) (Rights, error) {
	clusterRoles, err := Of[rbacv1.ClusterRole](objects, "ClusterRole")
	if err != nil {
		return nil, err
	}
	roles, err := Of[rbacv1.Role](objects, "Role")
	if err != nil {
		return nil, err
	}
	rules := map[string][]rbacv1.PolicyRule{}
	for _, r := range clusterRoles {
		rules["ClusterRole/"+r.Name] = r.Rules
	}
	for _, r := range roles {
		rules["Role/"+r.Namespace+"/"+r.Name] = r.Rules
	}
	rights := Rights{}
	give := func(namespace string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) error {
		for _, s := range subjects {
			if s.Kind != rbacv1.ServiceAccountKind || s.Namespace != Namespace || s.Name != account {
				continue
			}
			key := ref.Kind + "/" + ref.Name
			if ref.Kind == "Role" {
				key = ref.Kind + "/" + namespace + "/" + ref.Name
			}
			if rules[key] == nil {
				return fmt.Errorf("%s is bound, and is not there", key)
			}
			rights[namespace] = append(rights[namespace], rules[key]...)
		}
		return nil
	}
	clusterBindings, err := Of[rbacv1.ClusterRoleBinding](objects, "ClusterRoleBinding")
	if err != nil {
		return nil, err
	}
	for _, b := range clusterBindings {
		if err := give("", b.RoleRef, b.Subjects); err != nil {
			return nil, err
		}
	}
	bindings, err := Of[rbacv1.RoleBinding](objects, "RoleBinding")
	if err != nil {
		return nil, err
	}
	for _, b := range bindings {
		if err := give(b.Namespace, b.RoleRef, b.Subjects); err != nil {
			return nil, err
		}
	}
	return rights, nil
}
