package apiserver

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
)

const (
	// defaultServiceNetwork makes it 127.96.0.0/16: loopback addresses, on which a node's proxy can listen.
	defaultServiceNetwork = 96
	// apiServiceIndex is the address of the Service `kubernetes`, the first one as in every cluster: 127.96.0.1.
	apiServiceIndex = 1
	// lastServiceIndex leaves out the network's last address.
	lastServiceIndex = 1<<16 - 2
)

// serviceIP is the address of a number from 0 to 65535 in the network 127.N.0.0/16.
func serviceIP(network byte, n int) net.IP { return net.IPv4(127, network, byte(n>>8), byte(n)) }

// allocator gives Services their addresses. It knows only of Services made since it was made: a server starts empty.
type allocator struct {
	network byte

	mu   sync.Mutex
	used map[string]bool
	next int
}

// newAllocator gives addresses from the eleventh on; those before are for Services that name theirs.
func newAllocator(network byte) *allocator {
	return &allocator{network: network, used: map[string]bool{}, next: apiServiceIndex + 10}
}

// attach makes the Services' storage take and release addresses.
func (a *allocator) attach(s *genericregistry.Store) {
	s.BeginCreate = func(_ context.Context, obj runtime.Object, _ *metav1.CreateOptions) (genericregistry.FinishFunc, error) {
		return a.begin(obj.(*corev1.Service), &corev1.Service{})
	}
	s.BeginUpdate = func(_ context.Context, obj, old runtime.Object, _ *metav1.UpdateOptions) (genericregistry.FinishFunc, error) {
		return a.begin(obj.(*corev1.Service), old.(*corev1.Service))
	}
	s.AfterDelete = func(obj runtime.Object, o *metav1.DeleteOptions) {
		if len(o.DryRun) == 0 {
			a.release(obj.(*corev1.Service).Spec.ClusterIP)
		}
	}
}

// begin fills in a Service's address fields, and returns what to do when the Service is stored or refused.
func (a *allocator) begin(v, old *corev1.Service) (genericregistry.FinishFunc, error) {
	if v.Spec.Type == corev1.ServiceTypeExternalName {
		if old.Spec.Type != corev1.ServiceTypeExternalName { // what was allocated is given back; what is set anew is refused
			clearAddresses(v, old)
		}
		return a.finish("", old.Spec.ClusterIP), nil
	}
	keepAddresses(v, old)
	taken := ""
	if ip := v.Spec.ClusterIP; ip != old.Spec.ClusterIP || ip == "" {
		var err error
		if taken, err = a.take(v); err != nil {
			return nil, err
		}
	}
	if len(v.Spec.ClusterIPs) == 0 || slices.Equal(v.Spec.ClusterIPs, old.Spec.ClusterIPs) {
		v.Spec.ClusterIPs = []string{v.Spec.ClusterIP} // else validation compares them
	}
	v.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
	orDefault(&v.Spec.IPFamilyPolicy, corev1.IPFamilyPolicySingleStack)
	return a.finish(taken, ""), nil
}

// take allocates the address that a Service names or, when it names none, any.
func (a *allocator) take(v *corev1.Service) (string, error) {
	path := field.NewPath("spec", "clusterIP")
	refuse := func(msg string) error {
		return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Service").GroupKind(), v.Name, field.ErrorList{field.Invalid(path, v.Spec.ClusterIP, msg)})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch ip := v.Spec.ClusterIP; {
	case ip == corev1.ClusterIPNone:
		return "", nil
	case ip != "":
		four := net.ParseIP(ip).To4()
		if four == nil || four[0] != 127 || four[1] != a.network {
			return "", refuse(fmt.Sprintf("must be an address of 127.%d.0.0/16, None, or left out to be allocated", a.network))
		}
		if a.used[ip] {
			return "", refuse("another Service has this address: leave it out to get a free one")
		}
		a.used[ip] = true
		return ip, nil
	}
	for range lastServiceIndex {
		ip := serviceIP(a.network, a.next).String()
		if a.next++; a.next > lastServiceIndex {
			a.next = apiServiceIndex + 1
		}
		if !a.used[ip] {
			a.used[ip] = true
			v.Spec.ClusterIP = ip
			return ip, nil
		}
	}
	return "", apierrors.NewInternalError(fmt.Errorf("all %d addresses of Services are in use", lastServiceIndex))
}

func (a *allocator) release(ip string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.used, ip)
}

// finish releases one address when the request fails, and another when it succeeds.
func (a *allocator) finish(onFailure, onSuccess string) genericregistry.FinishFunc {
	return func(_ context.Context, success bool) {
		if success {
			a.release(onSuccess)
		} else {
			a.release(onFailure)
		}
	}
}

// keepAddresses lets an update leave out what was allocated.
func keepAddresses(v, old *corev1.Service) {
	if v.Spec.ClusterIP == "" && len(v.Spec.ClusterIPs) > 0 {
		v.Spec.ClusterIP = v.Spec.ClusterIPs[0]
	}
	if v.Spec.ClusterIP == "" && old.Spec.Type != corev1.ServiceTypeExternalName {
		v.Spec.ClusterIP = old.Spec.ClusterIP
	}
}

func clearAddresses(v, old *corev1.Service) {
	if v.Spec.ClusterIP == old.Spec.ClusterIP {
		v.Spec.ClusterIP, v.Spec.ClusterIPs, v.Spec.IPFamilies, v.Spec.IPFamilyPolicy = "", nil, nil, nil
	}
}
