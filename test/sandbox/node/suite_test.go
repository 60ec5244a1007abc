package node_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/runnel-dev/runnel/test/sandbox/apiserver"
	"github.com/runnel-dev/runnel/test/sandbox/node"
	"github.com/runnel-dev/runnel/test/sandbox/node/block"
	"github.com/runnel-dev/runnel/test/suite"
)

func TestNode(t *testing.T) {
	suite.Run(t, "Node")
}

const (
	image = "registry.example/pod:1"
	// probeSeconds is how long a probe waits for an answer: as long as it takes. With a shorter one a pod that does not run for a
	// second is not ready.
	probeSeconds = 120
	// graceSeconds outlasts every spec: a pod that is to end has been told so, or ends by itself.
	graceSeconds = 3600
)

var (
	config *rest.Config
	typed  kubernetes.Interface
	here   *node.Node
	files  string

	kubeconfig string
	images     map[string]node.Image
)

var _ = BeforeSuite(func(ctx SpecContext) {
	root := GinkgoT().TempDir()
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(root, "pod"), "./testdata/pod")
	out, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	images = map[string]node.Image{"registry.example/pod": {Root: root, Entrypoint: []string{"/pod"}}}

	services, err := block.Claim(96, 111) // another sandbox may run on this machine, and its Services have addresses too
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(services.Release)
	server, err := apiserver.Start(context.Background(), apiserver.Options{ServiceNetwork: services.Second})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(server.Stop)
	config, kubeconfig = server.Config, server.Kubeconfig
	typed = kubernetes.NewForConfigOrDie(config)

	files = GinkgoT().TempDir()
	here, err = node.Start(context.Background(), node.Options{
		Config: config, Dir: files, Images: images, BackOff: 300 * time.Millisecond, ProbeInterval: 50 * time.Millisecond,
		SyncPeriod: time.Hour, // a volume is refreshed by the change of its pod alone
		Log:        suite.Logger(),
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		Expect(here.Stop()).To(Succeed())
		Expect(os.ReadDir(filepath.Join(files, "pods"))).To(BeEmpty(), "a pod's files are left")
		Expect(processes()).To(BeEmpty(), "a pod's process is left")
		http.DefaultClient.CloseIdleConnections()
		Eventually(ours).Should(BeEmpty(), "a goroutine is left")
	})
})

// ours lists the node's goroutines; the API server in the same process has its own.
func ours() []gleak.Goroutine {
	var out []gleak.Goroutine
	for _, g := range gleak.Goroutines() {
		if strings.Contains(g.Backtrace, "/sandbox/node/") && !strings.Contains(g.Backtrace, "node_test.") {
			out = append(out, g)
		}
	}
	return out
}

// processes lists those that run the tests' program.
func processes() []string {
	found, err := filepath.Glob("/proc/[0-9]*/exe")
	Expect(err).NotTo(HaveOccurred())
	var out []string
	for _, link := range found {
		if at, err := os.Readlink(link); err == nil && filepath.Dir(at) == images["registry.example/pod"].Root {
			out = append(out, link)
		}
	}
	return out
}

// namespace makes one for a spec, with all that a new namespace has.
func namespace(ctx context.Context) string {
	n, err := typed.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "node-"}}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx context.Context) {
		Expect(typed.CoreV1().Namespaces().Delete(ctx, n.Name, metav1.DeleteOptions{})).To(Succeed())
		soon := metav1.DeleteOptions{GracePeriodSeconds: new(int64(1))} // some of its pods drain for ever
		Expect(typed.CoreV1().Pods(n.Name).DeleteCollection(ctx, soon, metav1.ListOptions{})).To(Succeed())
	})
	DeferCleanup(func(ctx context.Context) { // before the namespace's own deletion
		if !CurrentSpecReport().Failed() {
			return
		}
		var text strings.Builder
		events, _ := typed.CoreV1().Events(n.Name).List(ctx, metav1.ListOptions{})
		for _, e := range events.Items {
			fmt.Fprintln(&text, e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Reason, e.Message)
		}
		pods, _ := typed.CoreV1().Pods(n.Name).List(ctx, metav1.ListOptions{})
		for _, p := range pods.Items {
			fmt.Fprintf(&text, "%s %+v\n", p.Name, p.Status)
		}
		suite.Keep("events and pods", text.String())
	})
	Eventually(func() error {
		_, err := typed.CoreV1().ServiceAccounts(n.Name).Get(ctx, "default", metav1.GetOptions{})
		return err
	}).Should(Succeed())
	return n.Name
}

func podSpec() corev1.PodSpec {
	return corev1.PodSpec{
		TerminationGracePeriodSeconds: new(int64(graceSeconds)),
		Containers: []corev1.Container{{
			Name: "main", Image: image, Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}},
			ReadinessProbe: &corev1.Probe{
				ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromString("web")}},
				PeriodSeconds: 1, FailureThreshold: 1, TimeoutSeconds: probeSeconds,
			},
		}},
	}
}

func env(name, value string) corev1.EnvVar { return corev1.EnvVar{Name: name, Value: value} }

// runPod creates a pod and returns its name.
func runPod(ctx context.Context, namespace string, change func(*corev1.Pod)) string {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: namespace, Labels: map[string]string{"app": "p"}}, Spec: podSpec()}
	if change != nil {
		change(p)
	}
	_, err := typed.CoreV1().Pods(namespace).Create(ctx, p, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	return p.Name
}

func getPod(ctx context.Context, namespace, name string) func(Gomega) *corev1.Pod {
	return func(g Gomega) *corev1.Pod {
		p, err := typed.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		g.Expect(err).NotTo(HaveOccurred())
		return p
	}
}

func podReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// readyPod runs a pod and waits until it is ready.
func readyPod(ctx context.Context, namespace string, change func(*corev1.Pod)) *corev1.Pod {
	name := runPod(ctx, namespace, change)
	Eventually(getPod(ctx, namespace, name)).Should(Satisfy(podReady))
	p, err := typed.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred())
	return p
}

func podGone(ctx context.Context, namespace, name string) func() bool {
	return func() bool {
		_, err := typed.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}
}

// ask gets a page of a pod, or of anything else that begins with http.
func ask(at, path string) func() (string, error) {
	url := at + path
	if len(at) > 0 && at[0] != 'h' {
		url = "http://" + at + ":8080" + path
	}
	// Each question has its own connection, so that a Service's proxy chooses anew.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: suite.Patience}
	return func() (string, error) {
		answer, err := client.Get(url)
		if err != nil {
			return "", err
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		if err == nil && answer.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", answer.Status, bytes.TrimSpace(body))
		}
		return string(body), err
	}
}

func deployment(namespace string, replicas int32, change func(*appsv1.Deployment)) *appsv1.Deployment {
	labels := map[string]string{"app": "web"}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podSpec()},
		},
	}
	if change != nil {
		change(d)
	}
	return d
}

func logOf(ctx context.Context, namespace, pod string, o *corev1.PodLogOptions) (string, error) {
	r, err := here.PodLogs(ctx, namespace, pod, "", o)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(r)
	return string(data), err
}
