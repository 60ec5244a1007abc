package endpoint

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// perSlice is how many endpoints a slice holds; 100, as in Kubernetes.
const perSlice = 100

// slicesOf are a Service's slices by name. Pods whose named ports differ in number are in different slices.
func slicesOf(service *corev1.Service, pods []*corev1.Pod) map[string]*discoveryv1.EndpointSlice {
	type group struct {
		ports     []discoveryv1.EndpointPort
		endpoints []discoveryv1.Endpoint
	}
	groups := map[string]*group{}
	for _, p := range pods {
		if p.Status.PodIP == "" || p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
			continue
		}
		ports := portsOf(service, p)
		name := sliceName(service, ports)
		if groups[name] == nil {
			groups[name] = &group{ports: ports}
		}
		groups[name].endpoints = append(groups[name].endpoints, endpointOf(service, p))
	}
	out := map[string]*discoveryv1.EndpointSlice{}
	for name, g := range groups {
		slices.SortFunc(g.endpoints, func(a, b discoveryv1.Endpoint) int { return cmp.Compare(a.TargetRef.Name, b.TargetRef.Name) })
		i := 0
		for chunk := range slices.Chunk(g.endpoints, perSlice) {
			s := newSlice(service, fmt.Sprintf("%s-%d", name, i), g.ports, chunk)
			out[s.Name] = s
			i++
		}
	}
	if len(out) == 0 { // a Service without pods has an empty slice
		s := newSlice(service, sliceName(service, nil)+"-0", nil, nil)
		out[s.Name] = s
	}
	return out
}

func newSlice(service *corev1.Service, name string, ports []discoveryv1.EndpointPort, endpoints []discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	l := maps.Clone(service.Labels)
	if l == nil {
		l = map[string]string{}
	}
	l[discoveryv1.LabelServiceName], l[discoveryv1.LabelManagedBy] = service.Name, manager
	if service.Spec.ClusterIP == corev1.ClusterIPNone {
		l[corev1.IsHeadlessService] = ""
	}
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: service.Namespace, Labels: l,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(service, corev1.SchemeGroupVersion.WithKind("Service"))},
		},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: ports, Endpoints: endpoints,
	}
}

// sliceName is the same for the same ports, so that a slice is found again before the cache shows it.
func sliceName(service *corev1.Service, ports []discoveryv1.EndpointPort) string {
	h := fnv.New32a()
	if err := json.NewEncoder(h).Encode(ports); err != nil {
		panic(err) // neither an API type's encoding nor a hash can fail
	}
	return fmt.Sprintf("%s-%08x", service.Name, h.Sum32())
}

// portsOf are the Service's ports with the numbers that the pod gives to the names; a name that it lacks is left out.
func portsOf(service *corev1.Service, pod *corev1.Pod) []discoveryv1.EndpointPort {
	var out []discoveryv1.EndpointPort
	for i := range service.Spec.Ports {
		p := &service.Spec.Ports[i]
		number, ok := targetPort(p, pod)
		if !ok {
			continue
		}
		protocol := cmp.Or(p.Protocol, corev1.ProtocolTCP)
		out = append(out, discoveryv1.EndpointPort{Name: new(p.Name), Port: &number, Protocol: &protocol, AppProtocol: p.AppProtocol})
	}
	return out
}

func targetPort(p *corev1.ServicePort, pod *corev1.Pod) (int32, bool) {
	switch {
	case p.TargetPort.Type == intstr.String:
		for i := range pod.Spec.Containers {
			for _, c := range pod.Spec.Containers[i].Ports {
				if c.Name == p.TargetPort.StrVal && cmp.Or(c.Protocol, corev1.ProtocolTCP) == cmp.Or(p.Protocol, corev1.ProtocolTCP) {
					return c.ContainerPort, true
				}
			}
		}
		return 0, false
	case p.TargetPort.IntVal != 0:
		return p.TargetPort.IntVal, true
	}
	return p.Port, true
}

// endpointOf says of a pod whether it serves (it is ready, terminating or not) and whether it is to get new
// connections (ready, and not terminating; or the Service wants those that are not ready too).
func endpointOf(service *corev1.Service, pod *corev1.Pod) discoveryv1.Endpoint {
	serving := false
	for _, c := range pod.Status.Conditions {
		serving = serving || (c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue)
	}
	terminating := pod.DeletionTimestamp != nil
	ready := service.Spec.PublishNotReadyAddresses || (serving && !terminating)
	e := discoveryv1.Endpoint{
		Addresses:  []string{pod.Status.PodIP},
		Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
		NodeName:   &pod.Spec.NodeName,
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
	}
	if pod.Spec.Hostname != "" && pod.Spec.Subdomain == service.Name {
		e.Hostname = &pod.Spec.Hostname
	}
	return e
}
