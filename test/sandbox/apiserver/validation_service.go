package apiserver

import (
	"fmt"
	"net"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func serviceRules() rules {
	return rules{
		name:   apivalidation.NameIsDNS1035Label,
		check:  checked(validateService),
		change: changed(validateServiceChange),
	}
}

func validateService(s *corev1.Service) field.ErrorList {
	at := field.NewPath("spec")
	var errs field.ErrorList
	headless := s.Spec.ClusterIP == corev1.ClusterIPNone
	if len(s.Spec.Ports) == 0 && !headless && s.Spec.Type != corev1.ServiceTypeExternalName {
		errs = append(errs, field.Required(at.Child("ports"), "name at least one port"))
	}
	errs = append(errs, validateServicePorts(s.Spec.Ports, at.Child("ports"))...)
	errs = append(errs, metav1validation.ValidateLabels(s.Spec.Selector, at.Child("selector"))...)
	switch s.Spec.Type {
	case corev1.ServiceTypeExternalName:
		if s.Spec.ClusterIP != "" {
			errs = append(errs, field.Forbidden(at.Child("clusterIP"), "may not be set when `type` is 'ExternalName'"))
		}
		if s.Spec.ExternalName == "" {
			errs = append(errs, field.Required(at.Child("externalName"), "name the host"))
		} else {
			errs = append(errs, named1123(s.Spec.ExternalName, at.Child("externalName"))...)
		}
	case corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeNodePort:
		if headless {
			errs = append(errs, field.Invalid(at.Child("clusterIP"), s.Spec.ClusterIP, fmt.Sprintf("may not be set to 'None' for %s services", s.Spec.Type)))
		}
	}
	if s.Spec.ClusterIP != "" && !headless && net.ParseIP(s.Spec.ClusterIP) == nil {
		errs = append(errs, field.Invalid(at.Child("clusterIP"), s.Spec.ClusterIP, "must be an IP address, None, or left out"))
	}
	if s.Spec.ClusterIP != "" && (len(s.Spec.ClusterIPs) != 1 || s.Spec.ClusterIPs[0] != s.Spec.ClusterIP) {
		errs = append(errs, field.Invalid(at.Child("clusterIPs"), s.Spec.ClusterIPs, "must be the same as clusterIP: one address, or None"))
	}
	if c := s.Spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
		const day = 86400
		if v := *c.ClientIP.TimeoutSeconds; v < 1 || v > day {
			errs = append(errs, field.Invalid(at.Child("sessionAffinityConfig", "clientIP", "timeoutSeconds"), v, "must be 1 to 86400"))
		}
	}
	return errs
}

func validateServicePorts(list []corev1.ServicePort, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	names, ports := sets.New[string](), sets.New[string]()
	for i, port := range list {
		p := at.Index(i)
		switch {
		case port.Name == "" && len(list) > 1:
			errs = append(errs, field.Required(p.Child("name"), "a Service of several ports names each of them"))
		case port.Name != "":
			errs = append(errs, messages(validation.IsDNS1123Label(port.Name), port.Name, p.Child("name"))...)
			if names.Has(port.Name) {
				errs = append(errs, field.Duplicate(p.Child("name"), port.Name))
			}
			names.Insert(port.Name)
		}
		errs = append(errs, messages(validation.IsValidPortNum(int(port.Port)), port.Port, p.Child("port"))...)
		errs = append(errs, validateTargetPort(port.TargetPort, p.Child("targetPort"))...)
		key := fmt.Sprintf("%s/%d", port.Protocol, port.Port)
		if ports.Has(key) {
			errs = append(errs, field.Duplicate(p, key))
		}
		ports.Insert(key)
	}
	return errs
}

func validateServiceChange(s, old *corev1.Service) field.ErrorList {
	addressed := func(v *corev1.Service) bool { return v.Spec.Type != corev1.ServiceTypeExternalName }
	if addressed(s) && addressed(old) && s.Spec.ClusterIP != old.Spec.ClusterIP {
		return field.ErrorList{field.Invalid(field.NewPath("spec", "clusterIPs").Index(0), s.Spec.ClusterIP, "may not change once set")}
	}
	return nil
}
