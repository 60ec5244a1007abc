package apiserver

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

func deploymentRules() rules {
	return rules{
		name:  subdomainName,
		check: checked(validateDeployment),
		change: changed(func(d, old *appsv1.Deployment) field.ErrorList {
			return validateFixedSelector(d.Spec.Selector, old.Spec.Selector)
		}),
		keepThroughStatus: func(obj, old runtime.Object) {
			obj.(*appsv1.Deployment).Labels = old.(*appsv1.Deployment).Labels
		},
		keptPaths: []fieldpath.Path{fieldpath.MakePathOrDie("metadata", "labels")},
	}
}

func validateDeployment(d *appsv1.Deployment) field.ErrorList {
	at := field.NewPath("spec")
	errs := validateWorkload(d.Spec.Replicas, d.Spec.Selector, &d.Spec.Template, d.Spec.MinReadySeconds, d.Spec.RevisionHistoryLimit, at)
	if p := d.Spec.ProgressDeadlineSeconds; p != nil && *p <= d.Spec.MinReadySeconds {
		errs = append(errs, field.Invalid(at.Child("progressDeadlineSeconds"), *p, "must be greater than minReadySeconds"))
	}
	return append(errs, validateStrategy(d.Spec.Strategy, at.Child("strategy"))...)
}

func validateStrategy(s appsv1.DeploymentStrategy, at *field.Path) field.ErrorList {
	rolling := at.Child("rollingUpdate")
	if s.Type == appsv1.RecreateDeploymentStrategyType {
		if s.RollingUpdate != nil {
			return field.ErrorList{field.Forbidden(rolling, "may not be specified when strategy `type` is 'Recreate': set it to null")}
		}
		return nil
	}
	if s.RollingUpdate == nil {
		return field.ErrorList{field.Required(rolling, "a rolling update needs its bounds")}
	}
	u := s.RollingUpdate
	errs := validateShare(u.MaxUnavailable, 100, rolling.Child("maxUnavailable"))
	errs = append(errs, validateShare(u.MaxSurge, -1, rolling.Child("maxSurge"))...)
	if len(errs) == 0 && shareIsZero(u.MaxUnavailable) && shareIsZero(u.MaxSurge) {
		errs = append(errs, field.Invalid(rolling.Child("maxUnavailable"), u.MaxUnavailable.String(), "may not be 0 when `maxSurge` is 0"))
	}
	return errs
}

// validateShare accepts a count or a percentage of at most a number, -1 for any.
func validateShare(v *intstr.IntOrString, most int, at *field.Path) field.ErrorList {
	if v == nil {
		return nil
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(v, 100, true)
	switch {
	case err != nil:
		return field.ErrorList{field.Invalid(at, v.String(), "must be a number, or a percentage such as 25%")}
	case n < 0:
		return field.ErrorList{field.Invalid(at, v.String(), "must be 0 or more")}
	case v.Type == intstr.String && most >= 0 && n > most:
		return field.ErrorList{field.Invalid(at, v.String(), "must not be greater than 100%")}
	}
	return nil
}

func shareIsZero(v *intstr.IntOrString) bool {
	n, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(v, intstr.FromInt32(0)), 100, true)
	return err == nil && n == 0
}

func replicaSetRules() rules {
	return rules{
		name: subdomainName,
		check: checked(func(r *appsv1.ReplicaSet) field.ErrorList {
			return validateWorkload(r.Spec.Replicas, r.Spec.Selector, &r.Spec.Template, r.Spec.MinReadySeconds, nil, field.NewPath("spec"))
		}),
		change: changed(func(r, old *appsv1.ReplicaSet) field.ErrorList {
			return validateFixedSelector(r.Spec.Selector, old.Spec.Selector)
		}),
	}
}

func statefulSetRules() rules {
	return rules{
		name: labelName,
		check: checked(func(s *appsv1.StatefulSet) field.ErrorList {
			return validateWorkload(s.Spec.Replicas, s.Spec.Selector, &s.Spec.Template, s.Spec.MinReadySeconds, s.Spec.RevisionHistoryLimit, field.NewPath("spec"))
		}),
		change: changed(validateStatefulSetChange),
	}
}

func validateStatefulSetChange(s, old *appsv1.StatefulSet) field.ErrorList {
	fixed := s.Spec.DeepCopy()
	fixed.Replicas, fixed.Template, fixed.UpdateStrategy = old.Spec.Replicas, old.Spec.Template, old.Spec.UpdateStrategy
	fixed.MinReadySeconds, fixed.RevisionHistoryLimit, fixed.Ordinals = old.Spec.MinReadySeconds, old.Spec.RevisionHistoryLimit, old.Spec.Ordinals
	fixed.PersistentVolumeClaimRetentionPolicy = old.Spec.PersistentVolumeClaimRetentionPolicy
	if apiequality.Semantic.DeepEqual(fixed, &old.Spec) {
		return nil
	}
	return field.ErrorList{field.Forbidden(field.NewPath("spec"), "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden")}
}

// validateWorkload checks what all kinds have that keep pods running.
func validateWorkload(replicas *int32, s *metav1.LabelSelector, t *corev1.PodTemplateSpec, minReady int32, history *int32, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	notNegative := func(v int32, name string) {
		if v < 0 {
			errs = append(errs, field.Invalid(at.Child(name), v, "must be 0 or more"))
		}
	}
	if replicas != nil {
		notNegative(*replicas, "replicas")
	}
	if history != nil {
		notNegative(*history, "revisionHistoryLimit")
	}
	notNegative(minReady, "minReadySeconds")
	errs = append(errs, validateSelector(s, t.Labels, at)...)
	p := at.Child("template")
	errs = append(errs, metav1validation.ValidateLabels(t.Labels, p.Child("metadata", "labels"))...)
	errs = append(errs, validatePodSpec(&t.Spec, p.Child("spec"))...)
	if t.Spec.RestartPolicy != corev1.RestartPolicyAlways {
		errs = append(errs, field.NotSupported(p.Child("spec", "restartPolicy"), t.Spec.RestartPolicy, []corev1.RestartPolicy{corev1.RestartPolicyAlways}))
	}
	return errs
}

func validateSelector(s *metav1.LabelSelector, template map[string]string, at *field.Path) field.ErrorList {
	if s == nil {
		return field.ErrorList{field.Required(at.Child("selector"), "name the labels of the template")}
	}
	if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return field.ErrorList{field.Invalid(at.Child("selector"), s, "empty selector is invalid: name the labels of the template")}
	}
	errs := metav1validation.ValidateLabelSelector(s, metav1validation.LabelSelectorValidationOptions{}, at.Child("selector"))
	if len(errs) > 0 {
		return errs
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return field.ErrorList{field.Invalid(at.Child("selector"), s, err.Error())}
	}
	if !selector.Matches(labels.Set(template)) {
		return field.ErrorList{field.Invalid(at.Child("template", "metadata", "labels"), template, "`selector` does not match template `labels`")}
	}
	return nil
}

func validateFixedSelector(s, old *metav1.LabelSelector) field.ErrorList {
	if apiequality.Semantic.DeepEqual(s, old) {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("spec", "selector"), s, "field is immutable")}
}
