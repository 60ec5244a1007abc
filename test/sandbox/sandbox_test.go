package sandbox_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/runnel-dev/runnel/test/sandbox"
	"github.com/runnel-dev/runnel/test/suite"
)

func TestSandbox(t *testing.T) {
	suite.Run(t, "Sandbox")
}

var _ = Describe("A sandbox", func() {
	var box *sandbox.Sandbox

	BeforeEach(func(ctx SpecContext) {
		var err error
		box, err = sandbox.Start(ctx, sandbox.Options{Images: map[string]sandbox.Image{"tools": {Root: "/"}}})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() {
			began := time.Now()
			Expect(box.Stop()).To(Succeed())
			GinkgoWriter.Println("stopped in", time.Since(began))
			_, err := os.Stat(box.Kubeconfig)
			Expect(err).To(MatchError(os.ErrNotExist))
		})
	})

	It("installs a kustomize directory, twice too, and shows its pods' logs by kubectl", func(ctx SpecContext) {
		Expect(box.Install(ctx, "testdata/install")).To(Succeed())
		Expect(box.Install(ctx, "testdata/install")).To(Succeed())
		client := kubernetes.NewForConfigOrDie(box.Config)
		Eventually(func(g Gomega) int32 {
			d, err := client.AppsV1().Deployments("installed").Get(ctx, "sleeper", metav1.GetOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			return d.Status.AvailableReplicas
		}).Should(BeEquivalentTo(1))
		kubectl := func(args ...string) (string, error) {
			out, err := exec.CommandContext(ctx, "kubectl", append([]string{"--kubeconfig", box.Kubeconfig, "-n", "installed"}, args...)...).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			return string(out), err
		}
		Eventually(func() (string, error) { return kubectl("logs", "deployment/sleeper") }).Should(Equal("sleeps\n"))
		Expect(kubectl("get", "things.example.com", "first", "-o", "jsonpath={.spec.size}")).To(Equal("1"))
	})

	It("makes pods ready without processes when told to", func(ctx SpecContext) {
		fake, err := sandbox.Start(ctx, sandbox.Options{FakeReady: true})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(fake.Stop)
		Expect(fake.Install(ctx, "testdata/install")).To(Succeed())
		deployments := kubernetes.NewForConfigOrDie(fake.Config).AppsV1().Deployments("installed")
		_, err = deployments.Patch(ctx, "sleeper", types.MergePatchType, []byte(`{"spec":{"replicas":40}}`), metav1.PatchOptions{})
		Expect(err).NotTo(HaveOccurred())
		available := func(g Gomega) int32 {
			d, err := deployments.Get(ctx, "sleeper", metav1.GetOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			return d.Status.AvailableReplicas
		}
		Eventually(available).Should(BeEquivalentTo(40))
		Expect(deployments.Delete(ctx, "sleeper", metav1.DeleteOptions{})).To(Succeed())
		pods := kubernetes.NewForConfigOrDie(fake.Config).CoreV1().Pods("installed")
		Eventually(func(g Gomega) []corev1.Pod {
			list, err := pods.List(ctx, metav1.ListOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			return list.Items
		}).Should(BeEmpty())
	})

	It("names the object that it cannot apply", func(ctx SpecContext) {
		Expect(box.Apply(ctx, strings.NewReader("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Wrong_Name, namespace: default}\n"))).To(
			MatchError(ContainSubstring("apply ConfigMap default/Wrong_Name")))
	})
})
