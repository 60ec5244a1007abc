package apiserver

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
)

// startParts makes what a new cluster holds, and runs the controllers of this package until ctx ends.
func (s *Server) startParts(start, ctx context.Context, b *builder) error {
	client, err := kubernetes.NewForConfig(b.internal)
	if err != nil {
		return err
	}
	meta, err := metadata.NewForConfig(b.internal)
	if err != nil {
		return err
	}
	resources := newCatalogue(b.registry.scheme, b.registry.kinds)
	if err := resources.follow(ctx, b.server.Informers.Apiextensions().V1().CustomResourceDefinitions().Informer()); err != nil {
		return fmt.Errorf("follow the custom resource definitions: %w", err)
	}
	spaces, err := newNamespaces(client, meta, resources, b.informers, b.caBundle)
	if err != nil {
		return fmt.Errorf("watch namespaces: %w", err)
	}
	roles, err := newAggregator(client, b.informers.Rbac().V1().ClusterRoles())
	if err != nil {
		return fmt.Errorf("watch roles: %w", err)
	}
	for _, run := range []func(context.Context){spaces.run, roles.run, newCollector(meta, resources).run} {
		s.parts.Go(func() { run(ctx) })
	}
	if err := b.furnish(start, client); err != nil {
		return err
	}
	return b.waitFurnished(start, client)
}

func initialNamespaces() []string {
	return []string{metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease}
}

// furnish makes the bootstrap roles and the namespaces.
func (b *builder) furnish(ctx context.Context, client kubernetes.Interface) error {
	for _, r := range bootstrapRoles() {
		if _, err := client.RbacV1().ClusterRoles().Create(ctx, r, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("make the ClusterRole %s: %w", r.Name, err)
		}
	}
	for _, r := range bootstrapBindings() {
		if _, err := client.RbacV1().ClusterRoleBindings().Create(ctx, r, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("make the ClusterRoleBinding %s: %w", r.Name, err)
		}
	}
	for _, name := range initialNamespaces() {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("make the namespace %s: %w", name, err)
		}
	}
	return b.publishItself(ctx, client)
}

// publishItself makes the Service by which pods find the API server.
func (b *builder) publishItself(ctx context.Context, client kubernetes.Interface) error {
	const name = "kubernetes"
	labels := map[string]string{"component": "apiserver", "provider": name}
	port := int32(b.gate.addr.Port)
	_, err := client.CoreV1().Services(metav1.NamespaceDefault).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: corev1.ServiceSpec{
			ClusterIP: serviceIP(b.options.ServiceNetwork, apiServiceIndex).String(),
			Ports:     []corev1.ServicePort{{Name: "https", Port: 443, TargetPort: intstr.FromInt32(port)}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("make the Service of the API server: %w", err)
	}
	_, err = client.DiscoveryV1().EndpointSlices(metav1.NamespaceDefault).Create(ctx, &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{b.gate.addr.IP.String()}, Conditions: discoveryv1.EndpointConditions{Ready: new(true)}}},
		Ports:       []discoveryv1.EndpointPort{{Name: new("https"), Port: &port, Protocol: new(corev1.ProtocolTCP)}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("make the EndpointSlice of the API server: %w", err)
	}
	return nil
}

// furnishedPoll is how often a starting server looks whether its controllers have done their first work.
const furnishedPoll = 5 * time.Millisecond

// waitFurnished waits until a client finds what it may count on: roles that are enforced, ServiceAccounts, the certificate.
func (b *builder) waitFurnished(ctx context.Context, client kubernetes.Interface) error {
	err := wait.PollUntilContextCancel(ctx, furnishedPoll, true, func(ctx context.Context) (bool, error) {
		for _, r := range bootstrapBindings() {
			if _, err := b.authorizer.clusterBindings.Get(r.Name); err != nil {
				return false, nil
			}
		}
		for _, r := range bootstrapRoles() {
			if is, err := b.authorizer.clusterRoles.Get(r.Name); err != nil || len(is.Rules) == 0 {
				return false, nil
			}
		}
		for _, name := range initialNamespaces() {
			if _, err := client.CoreV1().ConfigMaps(name).Get(ctx, rootCAName, metav1.GetOptions{}); err != nil {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("wait for roles and ServiceAccounts: %w", err)
	}
	return nil
}
