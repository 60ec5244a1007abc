package node_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/net/dns/dnsmessage"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runnel-dev/runnel/test/suite"
)

// resolver asks the node's name server as a Go program does; over, if not empty, is the only transport.
func resolver(over string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		if over != "" {
			network = over
		}
		return (&net.Dialer{}).DialContext(ctx, network, here.Nameserver())
	}}
}

// resolve returns a name's addresses. It repeats a question that timed out: a resolver gives up after seconds, in which a slow and busy
// machine may not answer.
func resolve(ctx context.Context, over, name string) ([]string, error) {
	for end := time.Now().Add(suite.Patience); ; {
		found, err := resolver(over).LookupHost(ctx, name)
		var slow *net.DNSError
		if !errors.As(err, &slow) || !slow.IsTimeout || time.Now().After(end) {
			return found, err
		}
	}
}

// lookUp returns a name's addresses, sorted; a name without any has none.
func lookUp(ctx context.Context, name string) func(Gomega) []string {
	return func(g Gomega) []string {
		found, err := resolve(ctx, "", name)
		var none *net.DNSError
		if errors.As(err, &none) && none.IsNotFound {
			return nil
		}
		g.Expect(err).NotTo(HaveOccurred())
		slices.Sort(found)
		return found
	}
}

// query sends one question by UDP as it is, and returns the answer as it comes.
func query(name string, kind dnsmessage.Type) dnsmessage.Message {
	GinkgoHelper()
	q := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	out, err := q.Pack()
	Expect(err).NotTo(HaveOccurred())
	conn, err := net.Dial("udp", here.Nameserver())
	Expect(err).NotTo(HaveOccurred())
	defer conn.Close()
	Expect(conn.SetDeadline(time.Now().Add(suite.Patience))).To(Succeed())
	_, err = conn.Write(out)
	Expect(err).NotTo(HaveOccurred())
	in := make([]byte, 4096)
	n, err := conn.Read(in)
	Expect(err).NotTo(HaveOccurred())
	var m dnsmessage.Message
	Expect(m.Unpack(in[:n])).To(Succeed())
	Expect(m.ID).To(Equal(q.ID))
	return m
}

// podAddresses are those of all pods of a namespace, sorted.
func podAddresses(ctx context.Context, namespace string) []string {
	GinkgoHelper()
	pods, err := typed.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	Expect(err).NotTo(HaveOccurred())
	var out []string
	for i := range pods.Items {
		out = append(out, pods.Items[i].Status.PodIP)
	}
	slices.Sort(out)
	return out
}

var _ = Describe("A name", func() {
	It("is that of a Service, and says its address", func(ctx SpecContext) {
		ns := namespace(ctx)
		service(ctx, ns, nil)
		s, err := typed.CoreV1().Services(ns).Get(ctx, "web", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		name := "web." + ns + ".svc.cluster.local."
		for _, over := range []string{"udp", "tcp"} {
			Expect(resolve(ctx, over, name)).To(Equal([]string{s.Spec.ClusterIP}), over)
		}
		Expect(resolve(ctx, "", "WEB."+ns+".svc.Cluster.Local.")).To(Equal([]string{s.Spec.ClusterIP}))
		Expect(query(name, dnsmessage.TypeA).Answers).To(ConsistOf(HaveField("Header.TTL", BeNumerically("<=", 5))))
	})

	It("has no addresses of another family, and is not there when its Service is not", func(ctx SpecContext) {
		ns := namespace(ctx)
		service(ctx, ns, nil)
		for name, want := range map[string]dnsmessage.RCode{
			"web." + ns + ".svc.cluster.local.":   dnsmessage.RCodeSuccess,
			ns + ".svc.cluster.local.":            dnsmessage.RCodeSuccess,
			"svc.cluster.local.":                  dnsmessage.RCodeSuccess,
			"cluster.local.":                      dnsmessage.RCodeSuccess,
			"other." + ns + ".svc.cluster.local.": dnsmessage.RCodeNameError,
			"x.web." + ns + ".svc.cluster.local.": dnsmessage.RCodeNameError,
			"web.other.svc.cluster.local.":        dnsmessage.RCodeNameError,
			"web." + ns + ".pod.cluster.local.":   dnsmessage.RCodeNameError,
			"web.example.":                        dnsmessage.RCodeRefused,
		} {
			m := query(name, dnsmessage.TypeAAAA)
			Expect(m.RCode).To(Equal(want), name)
			Expect(m.Answers).To(BeEmpty(), name)
		}
		Expect(typed.CoreV1().Services(ns).Delete(ctx, "web", metav1.DeleteOptions{})).To(Succeed())
		Eventually(func() dnsmessage.RCode { return query("web."+ns+".svc.cluster.local.", dnsmessage.TypeA).RCode }).Should(Equal(dnsmessage.RCodeNameError))
	})

	It("of a headless Service is that of its pods which are ready", func(ctx SpecContext) {
		ns := namespace(ctx)
		service(ctx, ns, func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone })
		name := "web." + ns + ".svc.cluster.local."
		Expect(query(name, dnsmessage.TypeA).RCode).To(Equal(dnsmessage.RCodeNameError), "it has no endpoint")
		create(ctx, deployment(ns, 2, nil))
		Eventually(lookUp(ctx, name)).Should(HaveLen(2))
		both := podAddresses(ctx, ns)
		Expect(lookUp(ctx, name)(Default)).To(Equal(both))
		Expect(ask(both[0], "/set?ready=false")()).Error().NotTo(HaveOccurred())
		Eventually(lookUp(ctx, name)).Should(Equal(both[1:]))
	})

	It("of a headless Service is that of all pods when it says so: of those that start, and of those that end until they have", func(ctx SpecContext) {
		ns := namespace(ctx)
		service(ctx, ns, func(s *corev1.Service) {
			s.Spec.ClusterIP, s.Spec.PublishNotReadyAddresses = corev1.ClusterIPNone, true
		})
		name := "web." + ns + ".svc.cluster.local."
		create(ctx, deployment(ns, 1, func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{env("UNREADY", "1"), env("DRAIN", "asked")}
		}))
		Eventually(lookUp(ctx, name)).Should(HaveLen(1))
		patchDeployment(ctx, ns, `{"spec":{"replicas":0}}`)
		Eventually(endpoints(ctx, ns)).Should(Equal([]string{"ready+terminating"}))
		there := podAddresses(ctx, ns)
		Expect(lookUp(ctx, name)(Default)).To(Equal(there))
		Expect(ask(there[0], "/end")()).Error().NotTo(HaveOccurred())
		Eventually(lookUp(ctx, name)).Should(BeEmpty())
		pods, err := typed.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		for _, p := range pods.Items { // its last status is written before the pod is deleted
			Expect(p.Status.Phase).To(BeElementOf(corev1.PodSucceeded, corev1.PodFailed))
		}
	})

	It("may have more addresses than go into one datagram", func(ctx SpecContext) {
		ns := namespace(ctx)
		service(ctx, ns, func(s *corev1.Service) { s.Spec.ClusterIP, s.Spec.Selector = corev1.ClusterIPNone, nil })
		const many = 100
		var theirs []discoveryv1.Endpoint
		for i := range many {
			theirs = append(theirs, discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("10.0.0.%d", i)}})
		}
		_, err := typed.DiscoveryV1().EndpointSlices(ns).Create(ctx, &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Name: "theirs", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
			AddressType: discoveryv1.AddressTypeIPv4, Endpoints: theirs,
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		name := "web." + ns + ".svc.cluster.local."
		Eventually(lookUp(ctx, name)).Should(HaveLen(many))
		m := query(name, dnsmessage.TypeA)
		Expect(m.Truncated).To(BeTrue())
		Expect(resolve(ctx, "", "10-0-0-7."+name)).To(Equal([]string{"10.0.0.7"}))
	})

	It("is asked for where a pod's environment says", func(ctx SpecContext) {
		ns := namespace(ctx)
		p := readyPod(ctx, ns, nil)
		Expect(ask(p.Status.PodIP, "/env?name=RUNNEL_NAMESERVER")()).To(Equal(here.Nameserver()))
	})
})
