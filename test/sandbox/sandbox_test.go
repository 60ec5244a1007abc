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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/runnel-dev/runnel/test/sandbox"
)

func TestSandbox(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Sandbox")
}

var _ = Describe("A sandbox", func() {
	var box *sandbox.Sandbox

	BeforeEach(func(ctx SpecContext) {
		SetDefaultEventuallyTimeout(10 * time.Second)
		SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
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

	It("names the object that it cannot apply", func(ctx SpecContext) {
		Expect(box.Apply(ctx, strings.NewReader("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Wrong_Name, namespace: default}\n"))).To(
			MatchError(ContainSubstring("apply ConfigMap default/Wrong_Name")))
	})
})
