package render

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/runnel-dev/runnel/hub/config"
)

// Ports of the Services that clients use: those of http:// and https://, so that URLs need none.
const (
	httpPort  = 80
	httpsPort = 443
)

// subscribeService is what a route for browsers points at; it can reach nothing but the subscribe port.
func subscribeService(in Input) Child {
	return service(in, SubscribeName(in.Stream.Name), corev1ac.ServiceSpec().
		WithPorts(clientPort(in, portSubscribe)))
}

// publishService is what publishers of the cluster send to.
func publishService(in Input) Child {
	return service(in, PublishName(in.Stream.Name), corev1ac.ServiceSpec().
		WithPorts(clientPort(in, portPublish)))
}

// hubService names each pod. Pods that are not ready are included: they must find one another before they are.
func hubService(in Input) Child {
	return service(in, HubName(in.Stream.Name), corev1ac.ServiceSpec().
		WithClusterIP(corev1.ClusterIPNone).
		WithPublishNotReadyAddresses(true).
		WithPorts(port(portAdmin, config.PortAdmin, "http")))
}

func service(in Input, name string, spec *corev1ac.ServiceSpecApplyConfiguration) Child {
	svc := corev1ac.Service(name, in.Stream.Namespace).
		WithLabels(labels(in.Stream.Name)).
		WithSpec(spec.WithSelector(Selector(in.Stream.Name)))
	return Child{Kind: corev1.SchemeGroupVersion.WithKind("Service"), Name: name, Object: svc, Meta: svc.ObjectMetaApplyConfiguration}
}

// clientPort is the port that clients use. Its name stays with TLS, so that a route which names it need not change.
func clientPort(in Input, name string) *corev1ac.ServicePortApplyConfiguration {
	if in.Stream.TLSSecret == "" {
		return port(name, httpPort, "http")
	}
	return port(name, httpsPort, "https")
}

// port of a Service; it has the name of the container port that it leads to. The protocol is written out because it is part of
// the list's merge key. The application's protocol, a name of IANA's registry of services (RFC 6335), tells meshes and gateways how to speak
// to the hub, which many guess by the port's name otherwise, and treat as opaque TCP if it tells them nothing. It is not
// kubernetes.io/h2c, though the hub speaks that too: all streams of an HTTP/2 connection share its flow control.
func port(name string, number int32, protocol string) *corev1ac.ServicePortApplyConfiguration {
	return corev1ac.ServicePort().
		WithName(name).
		WithProtocol(corev1.ProtocolTCP).
		WithAppProtocol(protocol).
		WithPort(number).
		WithTargetPort(intstr.FromString(name))
}
