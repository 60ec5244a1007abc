package node_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func service(ctx context.Context, namespace string, change func(*corev1.Service)) string {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("web")}}},
	}
	if change != nil {
		change(s)
	}
	_, err := typed.CoreV1().Services(namespace).Create(ctx, s, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	if s.Spec.ClusterIP == corev1.ClusterIPNone {
		return ""
	}
	var url string
	Eventually(func() (err error) {
		url, err = here.ServiceURL(namespace, "web", "http")
		return err
	}).Should(Succeed())
	return url
}

// endpoints describes each endpoint of the Service by its conditions.
func endpoints(ctx context.Context, namespace string) func(Gomega) []string {
	return func(g Gomega) []string {
		list, err := typed.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=web"})
		g.Expect(err).NotTo(HaveOccurred())
		var out []string
		for _, s := range list.Items {
			for _, e := range s.Endpoints {
				var is []string
				for name, holds := range map[string]*bool{"ready": e.Conditions.Ready, "serving": e.Conditions.Serving, "terminating": e.Conditions.Terminating} {
					if holds != nil && *holds {
						is = append(is, name)
					}
				}
				slices.Sort(is)
				out = append(out, strings.Join(is, "+"))
			}
		}
		return out
	}
}

// stream opens a response that does not end, and returns its pod's name and its body.
func stream(ctx context.Context, url string) (string, io.ReadCloser) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/stream", nil)
	Expect(err).NotTo(HaveOccurred())
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(answer.Body.Close)
	name, err := bufio.NewReader(answer.Body).ReadString('\n')
	Expect(err).NotTo(HaveOccurred())
	return strings.TrimSpace(name), answer.Body
}

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

var _ = Describe("A Service", func() {
	It("spreads connections over its ready pods and follows readiness at once", func(ctx SpecContext) {
		ns := namespace(ctx)
		url := service(ctx, ns, nil)
		_, err := ask(url, "/name")()
		Expect(err).To(Satisfy(isRefused), "without a pod")
		create(ctx, deployment(ns, 2, nil))
		Eventually(endpoints(ctx, ns)).Should(Equal([]string{"ready+serving", "ready+serving"}))
		names := map[string]bool{}
		Eventually(func(g Gomega) map[string]bool {
			name, err := ask(url, "/name")()
			g.Expect(err).NotTo(HaveOccurred())
			names[name] = true
			return names
		}).Should(HaveLen(2))

		Expect(ask(url, "/set?ready=false")()).Error().NotTo(HaveOccurred())
		Eventually(endpoints(ctx, ns)).Should(ConsistOf("ready+serving", ""))
		Eventually(func(g Gomega) []string {
			_, _ = ask(url, "/set?ready=false")() // the proxy may still lead to the first pod, and refuses once it knows that none is ready
			return endpoints(ctx, ns)(g)
		}).Should(ConsistOf("", ""))
		Eventually(func() error { _, err := ask(url, "/name")(); return err }).Should(Satisfy(isRefused))
	})

	It("keeps the connections of a pod that terminates, and uses it as long as there is no other", func(ctx SpecContext) {
		ns := namespace(ctx)
		url := service(ctx, ns, nil)
		create(ctx, deployment(ns, 1, func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{env("DRAIN", "asked")}
			d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
		}))
		Eventually(endpoints(ctx, ns)).Should(Equal([]string{"ready+serving"}))
		Eventually(ask(url, "/name")).ShouldNot(BeEmpty())
		name, body := stream(ctx, url)
		patchDeployment(ctx, ns, `{"spec":{"replicas":0}}`)
		Eventually(endpoints(ctx, ns)).Should(Equal([]string{"serving+terminating"}))
		Expect(ask(url, "/name")()).To(Equal(name), "it serves although it terminates")
		Expect(ask(url, "/end")()).Error().NotTo(HaveOccurred())
		_, err := body.Read(make([]byte, 1)) // returns when the pod has ended, not before
		Expect(err).To(HaveOccurred())
		Eventually(podGone(ctx, ns, name)).Should(BeTrue())
		Eventually(func() error { _, err := ask(url, "/name")(); return err }).Should(Satisfy(isRefused))
	})

	It("leaves a pod that terminates as soon as it says that it is not ready any more", func(ctx SpecContext) {
		ns := namespace(ctx)
		url := service(ctx, ns, nil)
		create(ctx, deployment(ns, 1, func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{env("DRAIN", "forever")}
		}))
		var name string
		Eventually(func() (err error) { name, err = ask(url, "/name")(); return err }).Should(Succeed())
		patchDeployment(ctx, ns, `{"spec":{"replicas":0}}`)
		Eventually(endpoints(ctx, ns)).Should(Equal([]string{"serving+terminating"}))
		Expect(ask(url, "/set?ready=false")()).Error().NotTo(HaveOccurred())
		Eventually(endpoints(ctx, ns)).Should(Equal([]string{"terminating"}), "it is probed until it ends")
		Eventually(func() error { _, err := ask(url, "/name")(); return err }).Should(Satisfy(isRefused))
		Expect(typed.CoreV1().Pods(ns).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(1))})).To(Succeed())
		Eventually(endpoints(ctx, ns)).Should(BeEmpty(), "at the end of its grace period")
	})

	It("goes over to the pod that follows one which is evicted, when that is ready", func(ctx SpecContext) {
		ns := namespace(ctx)
		url := service(ctx, ns, nil)
		create(ctx, deployment(ns, 1, func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{env("DRAIN", "forever")}
		}))
		var old string
		Eventually(func() (err error) { old, err = ask(url, "/name")(); return err }).Should(Succeed())
		Expect(typed.PolicyV1().Evictions(ns).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: old}})).To(Succeed())
		Eventually(func() []string { // there is never nobody
			name, err := ask(url, "/name")()
			Expect(err).NotTo(HaveOccurred())
			return []string{name}
		}).ShouldNot(ContainElement(old))
		Expect(endpoints(ctx, ns)(Default)).To(ConsistOf("ready+serving", "serving+terminating"))
		Expect(podGone(ctx, ns, old)()).To(BeFalse(), "the old one has its grace period")
	})

	It("keeps its connections when it is deleted itself", func(ctx SpecContext) {
		ns := namespace(ctx)
		url := service(ctx, ns, nil)
		create(ctx, deployment(ns, 1, func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{env("DRAIN", "asked")}
		}))
		Eventually(ask(url, "/name")).ShouldNot(BeEmpty())
		name, body := stream(ctx, url)
		Expect(typed.CoreV1().Services(ns).Delete(ctx, "web", metav1.DeleteOptions{})).To(Succeed())
		Eventually(func() error { _, err := ask(url, "/name")(); return err }).Should(Satisfy(isRefused))
		p := getPod(ctx, ns, name)(Default)
		patchDeployment(ctx, ns, `{"spec":{"replicas":0}}`)
		Eventually(getPod(ctx, ns, name)).Should(HaveField("DeletionTimestamp", Not(BeNil())))
		Expect(ask(p.Status.PodIP, "/end")()).Error().NotTo(HaveOccurred())
		_, err := body.Read(make([]byte, 1))
		Expect(err).To(HaveOccurred())
		Expect(err).NotTo(MatchError(syscall.ECONNRESET), "its pod has ended it")
	})

	It("has its connections cut by a reset, and serves new ones", func(ctx SpecContext) {
		ns := namespace(ctx)
		url := service(ctx, ns, nil)
		create(ctx, deployment(ns, 1, nil))
		Eventually(ask(url, "/name")).ShouldNot(BeEmpty())
		_, body := stream(ctx, url)
		Expect(here.CutConnections(ns, "web")).To(BeNumerically(">=", 1)) // that of the question before may not be closed yet
		_, err := body.Read(make([]byte, 1))
		Expect(err).To(MatchError(syscall.ECONNRESET))
		Expect(ask(url, "/name")()).NotTo(BeEmpty())
	})

	It("names pods that are not ready when it is headless and says so", func(ctx SpecContext) {
		ns := namespace(ctx)
		service(ctx, ns, func(s *corev1.Service) {
			s.Spec.ClusterIP, s.Spec.PublishNotReadyAddresses = corev1.ClusterIPNone, true
		})
		create(ctx, deployment(ns, 1, func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{env("UNREADY", "1")}
		}))
		Eventually(endpoints(ctx, ns)).Should(Equal([]string{"ready"}))
		_, err := here.ServiceURL(ns, "web", "http")
		Expect(err).To(MatchError(ContainSubstring("no cluster address")))
	})
})
