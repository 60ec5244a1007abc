package apiserver

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	coordinationv1 "k8s.io/api/coordination/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func deploymentTable() table {
	return newTable("Name|Ready|Up-to-date|Available|Age|+Containers|+Images|+Selector", func(d *appsv1.Deployment) []any {
		names, images := containersText(d.Spec.Template.Spec.Containers)
		return []any{
			d.Name, ratio(d.Status.ReadyReplicas, deref(d.Spec.Replicas)), int64(d.Status.UpdatedReplicas),
			int64(d.Status.AvailableReplicas), age(d), names, images, selectorText(d.Spec.Selector),
		}
	})
}

func replicaSetTable() table {
	return newTable("Name|Desired|Current|Ready|Age|+Containers|+Images|+Selector", func(r *appsv1.ReplicaSet) []any {
		names, images := containersText(r.Spec.Template.Spec.Containers)
		return []any{
			r.Name, int64(deref(r.Spec.Replicas)), int64(r.Status.Replicas), int64(r.Status.ReadyReplicas), age(r),
			names, images, selectorText(r.Spec.Selector),
		}
	})
}

func statefulSetTable() table {
	return newTable("Name|Ready|Age|+Containers|+Images", func(s *appsv1.StatefulSet) []any {
		names, images := containersText(s.Spec.Template.Spec.Containers)
		return []any{s.Name, ratio(s.Status.ReadyReplicas, deref(s.Spec.Replicas)), age(s), names, images}
	})
}

func endpointSliceTable() table {
	return newTable("Name|AddressType|Ports|Endpoints|Age", func(e *discoveryv1.EndpointSlice) []any {
		var ports, addresses []string
		for _, p := range e.Ports {
			ports = append(ports, fmt.Sprint(deref(p.Port)))
		}
		for _, p := range e.Endpoints {
			addresses = append(addresses, p.Addresses...)
		}
		return []any{e.Name, string(e.AddressType), orUnset(ports), orUnset(addresses), age(e)}
	})
}

// shownItems is how many of a list kubectl's columns show.
const shownItems = 3

func orUnset(list []string) string {
	switch n := len(list); {
	case n == 0:
		return "<unset>"
	case n > shownItems:
		return fmt.Sprintf("%s + %d more...", strings.Join(list[:shownItems], ","), n-shownItems)
	}
	return strings.Join(list, ",")
}

func leaseTable() table {
	return newTable("Name|Holder|Age", func(l *coordinationv1.Lease) []any {
		holder := ""
		if l.Spec.HolderIdentity != nil {
			holder = *l.Spec.HolderIdentity
		}
		return []any{l.Name, holder, age(l)}
	})
}

func budgetTable() table {
	return newTable("Name|Min Available|Max Unavailable|Allowed Disruptions|Age", func(b *policyv1.PodDisruptionBudget) []any {
		text := func(v *intstr.IntOrString) string {
			if v == nil {
				return "N/A"
			}
			return v.String()
		}
		return []any{b.Name, text(b.Spec.MinAvailable), text(b.Spec.MaxUnavailable), int64(b.Status.DisruptionsAllowed), age(b)}
	})
}

func autoscalerTable() table {
	return newTable("Name|Reference|Targets|MinPods|MaxPods|Replicas|Age", func(h *autoscalingv2.HorizontalPodAutoscaler) []any {
		ref := h.Spec.ScaleTargetRef.Kind + "/" + h.Spec.ScaleTargetRef.Name
		return []any{h.Name, ref, unknown, fmt.Sprint(deref(h.Spec.MinReplicas)), int64(h.Spec.MaxReplicas), int64(h.Status.CurrentReplicas), age(h)}
	})
}

func networkPolicyTable() table {
	return newTable("Name|Pod-Selector|Age", func(n *networkingv1.NetworkPolicy) []any {
		return []any{n.Name, selectorText(&n.Spec.PodSelector), age(n)}
	})
}

func ingressTable() table {
	return newTable("Name|Class|Hosts|Address|Ports|Age", func(i *networkingv1.Ingress) []any {
		class := none
		if i.Spec.IngressClassName != nil {
			class = *i.Spec.IngressClassName
		}
		var hosts, addresses []string
		for _, r := range i.Spec.Rules {
			if r.Host != "" {
				hosts = append(hosts, r.Host)
			}
		}
		for _, a := range i.Status.LoadBalancer.Ingress {
			addresses = append(addresses, a.IP+a.Hostname)
		}
		ports := "80"
		if len(i.Spec.TLS) > 0 {
			ports = "80, 443"
		}
		host := "*"
		if len(hosts) > 0 {
			host = strings.Join(hosts, ",")
		}
		return []any{i.Name, class, host, strings.Join(addresses, ","), ports, age(i)}
	})
}

func bindingTable() table {
	return newTable("Name|Role|Age", func(o runtime.Object) []any {
		ref, _ := bindingOf(o)
		return []any{nameOf(o), ref.Kind + "/" + ref.Name, age(o)}
	})
}
