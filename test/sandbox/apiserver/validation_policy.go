package apiserver

import (
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	coordinationv1 "k8s.io/api/coordination/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func leaseRules() rules {
	return rules{
		name:           subdomainName,
		createOnUpdate: true,
		versioned:      true,
		check: checked(func(l *coordinationv1.Lease) field.ErrorList {
			var errs field.ErrorList
			at := field.NewPath("spec")
			if d := l.Spec.LeaseDurationSeconds; d != nil && *d <= 0 {
				errs = append(errs, field.Invalid(at.Child("leaseDurationSeconds"), *d, "must be 1 or more"))
			}
			if t := l.Spec.LeaseTransitions; t != nil && *t < 0 {
				errs = append(errs, field.Invalid(at.Child("leaseTransitions"), *t, "must be 0 or more"))
			}
			return errs
		}),
	}
}

func budgetRules() rules {
	return rules{
		name:      subdomainName,
		versioned: true,
		check: checked(func(b *policyv1.PodDisruptionBudget) field.ErrorList {
			at := field.NewPath("spec")
			var errs field.ErrorList
			if b.Spec.MinAvailable != nil && b.Spec.MaxUnavailable != nil {
				errs = append(errs, field.Invalid(at, "", "minAvailable and maxUnavailable cannot be both set"))
			}
			errs = append(errs, validateShare(b.Spec.MinAvailable, 100, at.Child("minAvailable"))...)
			errs = append(errs, validateShare(b.Spec.MaxUnavailable, 100, at.Child("maxUnavailable"))...)
			return append(errs, selectorErrors(b.Spec.Selector, at.Child("selector"))...)
		}),
	}
}

func selectorErrors(s *metav1.LabelSelector, at *field.Path) field.ErrorList {
	if s == nil {
		return nil
	}
	return metav1validation.ValidateLabelSelector(s, metav1validation.LabelSelectorValidationOptions{}, at)
}

func autoscalerRules() rules {
	return rules{
		name: subdomainName,
		check: checked(func(h *autoscalingv2.HorizontalPodAutoscaler) field.ErrorList {
			at := field.NewPath("spec")
			var errs field.ErrorList
			if h.Spec.ScaleTargetRef.Kind == "" || h.Spec.ScaleTargetRef.Name == "" {
				errs = append(errs, field.Required(at.Child("scaleTargetRef"), "name kind and name of what is scaled"))
			}
			if h.Spec.MinReplicas != nil && *h.Spec.MinReplicas < 1 {
				errs = append(errs, field.Invalid(at.Child("minReplicas"), *h.Spec.MinReplicas, "must be 1 or more"))
			}
			if h.Spec.MaxReplicas < 1 {
				errs = append(errs, field.Invalid(at.Child("maxReplicas"), h.Spec.MaxReplicas, "must be 1 or more"))
			} else if h.Spec.MinReplicas != nil && h.Spec.MaxReplicas < *h.Spec.MinReplicas {
				errs = append(errs, field.Invalid(at.Child("maxReplicas"), h.Spec.MaxReplicas, "must be greater than or equal to `minReplicas`"))
			}
			return append(errs, validateMetrics(h.Spec.Metrics, at.Child("metrics"))...)
		}),
	}
}

func validateMetrics(list []autoscalingv2.MetricSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, m := range list {
		p := at.Index(i)
		source := map[autoscalingv2.MetricSourceType]bool{
			autoscalingv2.ObjectMetricSourceType: m.Object != nil, autoscalingv2.PodsMetricSourceType: m.Pods != nil,
			autoscalingv2.ResourceMetricSourceType: m.Resource != nil, autoscalingv2.ContainerResourceMetricSourceType: m.ContainerResource != nil,
			autoscalingv2.ExternalMetricSourceType: m.External != nil,
		}
		if !source[m.Type] || setFields(m) != 1 {
			errs = append(errs, field.Invalid(p, string(m.Type), "set the one source that `type` names"))
		}
	}
	return errs
}

func networkPolicyRules() rules {
	return rules{
		name: subdomainName,
		check: checked(func(n *networkingv1.NetworkPolicy) field.ErrorList {
			at := field.NewPath("spec")
			errs := selectorErrors(&n.Spec.PodSelector, at.Child("podSelector"))
			for i, r := range n.Spec.Ingress {
				errs = append(errs, validatePolicyRule(r.Ports, r.From, "from", at.Child("ingress").Index(i))...)
			}
			for i, r := range n.Spec.Egress {
				errs = append(errs, validatePolicyRule(r.Ports, r.To, "to", at.Child("egress").Index(i))...)
			}
			return errs
		}),
	}
}

func validatePolicyRule(ports []networkingv1.NetworkPolicyPort, peers []networkingv1.NetworkPolicyPeer, side string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, port := range ports {
		if port.Port != nil {
			errs = append(errs, validateTargetPort(*port.Port, at.Child("ports").Index(i).Child("port"))...)
		}
	}
	for i, peer := range peers {
		p := at.Child(side).Index(i)
		switch {
		case peer.IPBlock != nil && (peer.PodSelector != nil || peer.NamespaceSelector != nil):
			errs = append(errs, field.Forbidden(p, "may not specify both ipBlock and another peer"))
		case peer.IPBlock != nil:
			errs = append(errs, validation.IsValidCIDR(p.Child("ipBlock", "cidr"), peer.IPBlock.CIDR)...)
		case peer.PodSelector == nil && peer.NamespaceSelector == nil:
			errs = append(errs, field.Required(p, "must specify a peer: podSelector, namespaceSelector or ipBlock"))
		}
		errs = append(errs, selectorErrors(peer.PodSelector, p.Child("podSelector"))...)
		errs = append(errs, selectorErrors(peer.NamespaceSelector, p.Child("namespaceSelector"))...)
	}
	return errs
}

func ingressRules() rules {
	return rules{name: subdomainName, check: checked(func(in *networkingv1.Ingress) field.ErrorList {
		at := field.NewPath("spec")
		var errs field.ErrorList
		if len(in.Spec.Rules) == 0 && in.Spec.DefaultBackend == nil {
			errs = append(errs, field.Invalid(at, "", "either `defaultBackend` or `rules` must be specified"))
		}
		for i, r := range in.Spec.Rules {
			p := at.Child("rules").Index(i)
			if r.Host != "" && !strings.HasPrefix(r.Host, "*.") {
				errs = append(errs, named1123(r.Host, p.Child("host"))...)
			}
			if r.HTTP == nil {
				continue
			}
			for j, path := range r.HTTP.Paths {
				errs = append(errs, validateIngressPath(path, p.Child("http", "paths").Index(j))...)
			}
		}
		return errs
	})}
}

func validateIngressPath(path networkingv1.HTTPIngressPath, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if *path.PathType != networkingv1.PathTypeImplementationSpecific && !strings.HasPrefix(path.Path, "/") {
		errs = append(errs, field.Invalid(at.Child("path"), path.Path, "must be an absolute path"))
	}
	backend := at.Child("backend")
	switch s := path.Backend.Service; {
	case s == nil && path.Backend.Resource == nil:
		errs = append(errs, field.Required(backend, "name a service or a resource"))
	case s == nil:
	case s.Name == "":
		errs = append(errs, field.Required(backend.Child("service", "name"), "name the Service"))
	case (s.Port.Name == "") == (s.Port.Number == 0):
		errs = append(errs, field.Required(backend.Child("service", "port"), "name exactly one of the port's name and number"))
	}
	return errs
}

func endpointSliceRules() rules {
	return rules{
		name: subdomainName,
		change: func(obj, old runtime.Object) field.ErrorList {
			was, now := fieldOf(old, "AddressType").String(), fieldOf(obj, "AddressType").String()
			if was != now {
				return field.ErrorList{field.Invalid(field.NewPath("addressType"), now, "field is immutable")}
			}
			return nil
		},
	}
}
