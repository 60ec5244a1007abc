package apiserver

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Names of RBAC objects may hold colons: the common check of path segments is all there is.

func roleRules() rules {
	return rules{check: func(obj runtime.Object) field.ErrorList {
		switch r := obj.(type) {
		case *rbacv1.ClusterRole:
			return validatePolicy(r.Rules, true)
		case *rbacv1.Role:
			return validatePolicy(r.Rules, false)
		}
		return nil
	}}
}

func validatePolicy(policy []rbacv1.PolicyRule, cluster bool) field.ErrorList {
	var errs field.ErrorList
	for i, r := range policy {
		at := field.NewPath("rules").Index(i)
		if len(r.Verbs) == 0 {
			errs = append(errs, field.Required(at.Child("verbs"), "name at least one verb, such as get"))
		}
		if len(r.NonResourceURLs) > 0 {
			if !cluster {
				errs = append(errs, field.Invalid(at.Child("nonResourceURLs"), r.NonResourceURLs, "only a ClusterRole can grant URLs"))
			}
			if len(r.APIGroups)+len(r.Resources)+len(r.ResourceNames) > 0 {
				errs = append(errs, field.Invalid(at.Child("nonResourceURLs"), r.NonResourceURLs, "a rule grants either URLs or resources: write two"))
			}
			continue
		}
		if len(r.APIGroups) == 0 {
			errs = append(errs, field.Required(at.Child("apiGroups"), `name at least one group; "" is the core group`))
		}
		if len(r.Resources) == 0 {
			errs = append(errs, field.Required(at.Child("resources"), "name at least one resource, such as pods"))
		}
	}
	return errs
}

func bindingRules() rules {
	return rules{
		check: func(obj runtime.Object) field.ErrorList {
			ref, subjects := bindingOf(obj)
			_, cluster := obj.(*rbacv1.ClusterRoleBinding)
			return append(validateRoleRef(*ref, cluster), validateSubjects(subjects, cluster)...)
		},
		change: func(obj, old runtime.Object) field.ErrorList {
			now, _ := bindingOf(obj)
			was, _ := bindingOf(old)
			if *now != *was {
				return field.ErrorList{field.Invalid(field.NewPath("roleRef"), *now, "cannot be changed: delete the binding and make a new one")}
			}
			return nil
		},
	}
}

func bindingOf(obj runtime.Object) (*rbacv1.RoleRef, []rbacv1.Subject) {
	if b, ok := obj.(*rbacv1.ClusterRoleBinding); ok {
		return &b.RoleRef, b.Subjects
	}
	b := obj.(*rbacv1.RoleBinding)
	return &b.RoleRef, b.Subjects
}

func validateRoleRef(ref rbacv1.RoleRef, cluster bool) field.ErrorList {
	at := field.NewPath("roleRef")
	var errs field.ErrorList
	if ref.APIGroup != rbacv1.GroupName {
		errs = append(errs, field.NotSupported(at.Child("apiGroup"), ref.APIGroup, []string{rbacv1.GroupName}))
	}
	kinds := []string{"ClusterRole"}
	if !cluster {
		kinds = append(kinds, "Role")
	}
	if !slices.Contains(kinds, ref.Kind) {
		errs = append(errs, field.NotSupported(at.Child("kind"), ref.Kind, kinds))
	}
	if ref.Name == "" {
		errs = append(errs, field.Required(at.Child("name"), "name the role to be granted"))
	}
	return errs
}

func validateSubjects(subjects []rbacv1.Subject, cluster bool) field.ErrorList {
	var errs field.ErrorList
	for i, s := range subjects {
		at := field.NewPath("subjects").Index(i)
		if s.Name == "" {
			errs = append(errs, field.Required(at.Child("name"), "name who is granted the role"))
		}
		switch s.Kind {
		case rbacv1.ServiceAccountKind:
			if s.APIGroup != "" {
				errs = append(errs, field.NotSupported(at.Child("apiGroup"), s.APIGroup, []string{""}))
			}
			if cluster && s.Namespace == "" {
				errs = append(errs, field.Required(at.Child("namespace"), "name the ServiceAccount's namespace"))
			}
		case rbacv1.UserKind, rbacv1.GroupKind:
			if s.APIGroup != rbacv1.GroupName {
				errs = append(errs, field.NotSupported(at.Child("apiGroup"), s.APIGroup, []string{rbacv1.GroupName}))
			}
		default:
			errs = append(errs, field.NotSupported(at.Child("kind"), s.Kind, []string{rbacv1.ServiceAccountKind, rbacv1.UserKind, rbacv1.GroupKind}))
		}
	}
	return errs
}
