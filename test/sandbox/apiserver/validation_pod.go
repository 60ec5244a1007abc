package apiserver

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validatePodSpec holds a pod's or template's spec against what a cluster asks beyond the schema.
func validatePodSpec(s *corev1.PodSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s.TerminationGracePeriodSeconds != nil && *s.TerminationGracePeriodSeconds < 0 {
		errs = append(errs, field.Invalid(at.Child("terminationGracePeriodSeconds"), *s.TerminationGracePeriodSeconds, "must be 0 or more"))
	}
	if d := s.ActiveDeadlineSeconds; d != nil && (*d < 1 || *d > 1<<31-1) {
		errs = append(errs, field.Invalid(at.Child("activeDeadlineSeconds"), *d, "must be 1 to 2147483647"))
	}
	if s.ServiceAccountName != "" {
		errs = append(errs, named1123(s.ServiceAccountName, at.Child("serviceAccountName"))...)
	}
	volumes, more := validateVolumes(s.Volumes, at.Child("volumes"))
	errs = append(errs, more...)
	if len(s.Containers) == 0 {
		errs = append(errs, field.Required(at.Child("containers"), "name at least one container"))
	}
	names := sets.New[string]()
	errs = append(errs, validateContainers(s.InitContainers, names, volumes, true, at.Child("initContainers"))...)
	errs = append(errs, validateContainers(s.Containers, names, volumes, false, at.Child("containers"))...)
	for i, c := range s.TopologySpreadConstraints {
		p := at.Child("topologySpreadConstraints").Index(i)
		if c.MaxSkew < 1 {
			errs = append(errs, field.Invalid(p.Child("maxSkew"), c.MaxSkew, "must be 1 or more"))
		}
		if c.TopologyKey == "" {
			errs = append(errs, field.Required(p.Child("topologyKey"), "name a label of nodes, such as kubernetes.io/hostname"))
		}
	}
	for key, value := range s.NodeSelector {
		errs = append(errs, validateLabel(key, value, at.Child("nodeSelector"))...)
	}
	return errs
}

func named1123(name string, at *field.Path) field.ErrorList {
	return messages(validation.IsDNS1123Subdomain(name), name, at)
}

// messages makes an error of each message about a value.
func messages(list []string, value any, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, msg := range list {
		errs = append(errs, field.Invalid(at, value, msg))
	}
	return errs
}

func validateLabel(key, value string, at *field.Path) field.ErrorList {
	return append(messages(content.IsLabelKey(key), key, at), messages(validation.IsValidLabelValue(value), value, at.Key(key))...)
}

// validateVolumes also returns the volumes' names.
func validateVolumes(list []corev1.Volume, at *field.Path) (sets.Set[string], field.ErrorList) {
	var errs field.ErrorList
	names := sets.New[string]()
	for i := range list {
		v, p := &list[i], at.Index(i)
		errs = append(errs, messages(validation.IsDNS1123Label(v.Name), v.Name, p.Child("name"))...)
		if names.Has(v.Name) {
			errs = append(errs, field.Duplicate(p.Child("name"), v.Name))
		}
		names.Insert(v.Name)
		if n := setFields(v.VolumeSource); n != 1 {
			errs = append(errs, field.Forbidden(p, fmt.Sprintf("name exactly one kind of volume, not %d", n)))
		}
		errs = append(errs, validateVolumeSource(v, p)...)
	}
	return names, errs
}

func validateVolumeSource(v *corev1.Volume, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	need := func(name string, p *field.Path) {
		if name == "" {
			errs = append(errs, field.Required(p, "name the object that the volume shows"))
		}
	}
	switch {
	case v.ConfigMap != nil:
		need(v.ConfigMap.Name, at.Child("configMap", "name"))
		errs = append(errs, validateMode(v.ConfigMap.DefaultMode, at.Child("configMap", "defaultMode"))...)
		errs = append(errs, validateItems(v.ConfigMap.Items, at.Child("configMap", "items"))...)
	case v.Secret != nil:
		need(v.Secret.SecretName, at.Child("secret", "secretName"))
		errs = append(errs, validateMode(v.Secret.DefaultMode, at.Child("secret", "defaultMode"))...)
		errs = append(errs, validateItems(v.Secret.Items, at.Child("secret", "items"))...)
	case v.PersistentVolumeClaim != nil:
		need(v.PersistentVolumeClaim.ClaimName, at.Child("persistentVolumeClaim", "claimName"))
	case v.Projected != nil:
		errs = append(errs, validateMode(v.Projected.DefaultMode, at.Child("projected", "defaultMode"))...)
		for i, s := range v.Projected.Sources {
			p := at.Child("projected", "sources").Index(i)
			if n := setFields(s); n != 1 {
				errs = append(errs, field.Forbidden(p, fmt.Sprintf("name exactly one source, not %d: write one entry for each", n)))
			}
			if t := s.ServiceAccountToken; t != nil {
				errs = append(errs, validateTokenProjection(t, p.Child("serviceAccountToken"))...)
			}
		}
	}
	return errs
}

func validateTokenProjection(t *corev1.ServiceAccountTokenProjection, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s := t.ExpirationSeconds; s != nil && (*s < minTokenSeconds || *s > maxTokenSeconds) {
		errs = append(errs, field.Invalid(at.Child("expirationSeconds"), *s, "must be 600 to 4294967296: a token lives for 10 minutes at least"))
	}
	return append(errs, validateRelative(t.Path, at.Child("path"))...)
}

func validateMode(m *int32, at *field.Path) field.ErrorList {
	if m != nil && (*m < 0 || *m > 0o777) {
		return field.ErrorList{field.Invalid(at, *m, "must be 0 to 0777 (511)")}
	}
	return nil
}

func validateItems(items []corev1.KeyToPath, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, item := range items {
		if item.Key == "" {
			errs = append(errs, field.Required(at.Index(i).Child("key"), "name the key to show"))
		}
		errs = append(errs, validateRelative(item.Path, at.Index(i).Child("path"))...)
		errs = append(errs, validateMode(item.Mode, at.Index(i).Child("mode"))...)
	}
	return errs
}

func validateContainers(list []corev1.Container, names, volumes sets.Set[string], init bool, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	ports := sets.New[string]()
	for i := range list {
		c, p := &list[i], at.Index(i)
		errs = append(errs, messages(validation.IsDNS1123Label(c.Name), c.Name, p.Child("name"))...)
		if names.Has(c.Name) {
			errs = append(errs, field.Duplicate(p.Child("name"), c.Name))
		}
		names.Insert(c.Name)
		errs = append(errs, validateContainer(c, volumes, ports, p)...)
		if init && c.RestartPolicy == nil && (c.LivenessProbe != nil || c.ReadinessProbe != nil || c.StartupProbe != nil || c.Lifecycle != nil) {
			errs = append(errs, field.Forbidden(p, "an init container has no probes and no lifecycle, unless its restartPolicy is Always"))
		}
	}
	return errs
}
