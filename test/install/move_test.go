package install_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/kube"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/test/install"
	"github.com/runnel-dev/runnel/test/sandbox"
	"github.com/runnel-dev/runnel/test/suite"
)

// helmTimeout bounds one command of Helm, which waits for nothing here.
const helmTimeout = suite.Patience

// moving is a cluster in which Runnel is installed in one way after another. Its pods have no processes.
type moving struct {
	Gomega
	ctx context.Context
	box *sandbox.Sandbox
	client.Client
}

func newMoving(t *testing.T) *moving {
	g := NewWithT(t)
	box, err := sandbox.Start(t.Context(), sandbox.Options{FakeReady: true})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		if err := box.Stop(); err != nil {
			t.Error(err)
		}
	})
	c, err := client.New(box.Config, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	return &moving{g, t.Context(), box, c}
}

// helm returns what Helm's commands share.
func (m *moving) helm() *action.Configuration {
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig, flags.Namespace = &m.box.Kubeconfig, new(install.Namespace)
	c := action.NewConfiguration()
	m.Expect(c.Init(flags, install.Namespace, "secret")).To(Succeed())
	return c
}

// helmInstall is helm install RELEASE, with --take-ownership --force-conflicts if it shall take over what is there.
func (m *moving) helmInstall(dir, release string, values map[string]any, takeOver bool) error {
	c, err := loader.Load(dir)
	m.Expect(err).NotTo(HaveOccurred())
	i := action.NewInstall(m.helm())
	i.ReleaseName, i.Namespace, i.CreateNamespace = release, install.Namespace, true
	i.TakeOwnership, i.ForceConflicts = takeOver, takeOver
	i.WaitStrategy, i.Timeout = kube.HookOnlyStrategy, helmTimeout
	_, err = i.RunWithContext(m.ctx, c, values)
	return err
}

func (m *moving) helmUpgrade(dir, release string, values map[string]any) {
	c, err := loader.Load(dir)
	m.Expect(err).NotTo(HaveOccurred())
	u := action.NewUpgrade(m.helm())
	u.Namespace, u.WaitStrategy, u.Timeout = install.Namespace, kube.HookOnlyStrategy, helmTimeout
	_, err = u.RunWithContext(m.ctx, release, c, values)
	m.Expect(err).NotTo(HaveOccurred())
}

func (m *moving) helmRollback(release string) {
	r := action.NewRollback(m.helm())
	r.WaitStrategy, r.Timeout = kube.HookOnlyStrategy, helmTimeout
	m.Expect(r.Run(release)).To(Succeed())
}

func (m *moving) helmUninstall(release string) {
	u := action.NewUninstall(m.helm())
	u.WaitStrategy, u.Timeout = kube.HookOnlyStrategy, helmTimeout
	_, err := u.Run(release)
	m.Expect(err).NotTo(HaveOccurred())
}

const streamText = `apiVersion: runnel.dev/v1alpha1
kind: EventStream
metadata: {name: shop, namespace: default}
spec:
  topics: [{name: orders}]
  auth: {subscribers: {anonymous: {}}}
`

// stream makes an EventStream and returns its UID.
func (m *moving) stream() types.UID {
	m.Expect(m.box.Apply(m.ctx, strings.NewReader(streamText))).To(Succeed())
	return m.streamNow().GetUID()
}

func (m *moving) streamNow() *unstructured.Unstructured {
	s := &unstructured.Unstructured{}
	s.SetAPIVersion("runnel.dev/v1alpha1")
	s.SetKind("EventStream")
	m.Expect(m.Get(m.ctx, client.ObjectKey{Namespace: "default", Name: "shop"}, s)).To(Succeed())
	return s
}

// operatorNow is the operator's Deployment; nil if there is none.
func (m *moving) operatorNow(name string) *appsv1.Deployment {
	d := &appsv1.Deployment{}
	err := m.Get(m.ctx, client.ObjectKey{Namespace: install.Namespace, Name: name}, d)
	m.Expect(client.IgnoreNotFound(err)).To(Succeed())
	if err != nil {
		return nil
	}
	return d
}

func (m *moving) definition() *unstructured.Unstructured {
	d := &unstructured.Unstructured{}
	d.SetAPIVersion("apiextensions.k8s.io/v1")
	d.SetKind("CustomResourceDefinition")
	m.Expect(m.Get(m.ctx, client.ObjectKey{Name: "eventstreams.runnel.dev"}, d)).To(Succeed())
	return d
}

var (
	chartDir  = filepath.Join(root, "charts", "runnel")
	configDir = filepath.Join(root, "config", "default")
)

const operatorName = "runnel-operator"

func TestFromKustomizeToHelmAndBack(t *testing.T) {
	m := newMoving(t)
	m.Expect(m.box.Install(m.ctx, configDir)).To(Succeed())
	uid, operator := m.stream(), m.operatorNow(operatorName)
	m.Expect(m.helmInstall(chartDir, "runnel", nil, false)).To(MatchError(ContainSubstring("cannot be imported into the current release")), "without --take-ownership")
	m.Expect(m.helmInstall(chartDir, "runnel", map[string]any{"concurrent": 8}, true)).To(Succeed())
	m.Expect(m.streamNow().GetUID()).To(Equal(uid), "streams stay")
	taken := m.operatorNow(operatorName)
	m.Expect(taken.UID).To(Equal(operator.UID), "its pods roll, and it is not made anew")
	m.Expect(taken.Spec.Template.Spec.Containers[0].Args).To(ContainElement("--concurrent=8"))
	m.Expect(taken.Labels).To(HaveKeyWithValue("app.kubernetes.io/managed-by", "Helm"))
	m.helmUpgrade(chartDir, "runnel", map[string]any{"concurrent": 9})
	m.Expect(m.operatorNow(operatorName).Spec.Template.Spec.Containers[0].Args).To(ContainElement("--concurrent=9"))

	m.helmUninstall("runnel")
	m.Expect(m.operatorNow(operatorName)).To(BeNil())
	m.Expect(m.streamNow().GetUID()).To(Equal(uid), "the definition is kept, and so are streams")
	m.Expect(m.box.Install(m.ctx, configDir)).To(Succeed(), "it forces conflicts")
	m.Expect(m.operatorNow(operatorName)).NotTo(BeNil())
	m.Expect(m.streamNow().GetUID()).To(Equal(uid))
}

func TestAnotherReleaseNameWithAKeptDefinition(t *testing.T) {
	m := newMoving(t)
	m.Expect(m.helmInstall(chartDir, "runnel", nil, false)).To(Succeed())
	uid := m.stream()
	m.helmUninstall("runnel")
	m.Expect(m.streamNow().GetUID()).To(Equal(uid))
	m.Expect(m.helmInstall(chartDir, "events", nil, false)).To(MatchError(And(
		ContainSubstring("eventstreams.runnel.dev"), ContainSubstring(`must equal "events"`))))
	m.Expect(m.helmInstall(chartDir, "events", nil, true)).To(Succeed())
	m.Expect(m.operatorNow("events-runnel-operator")).NotTo(BeNil())
	m.Expect(m.definition().GetAnnotations()).To(HaveKeyWithValue("meta.helm.sh/release-name", "events"))
	m.Expect(m.streamNow().GetUID()).To(Equal(uid))
}

// newer is a chart of a later version, whose definition knows the field spec.later.
func newer(g Gomega, dir string) string {
	g.Expect(os.CopyFS(dir, os.DirFS(chartDir))).To(Succeed())
	file := filepath.Join(dir, "files", "eventstreams.yaml")
	text, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	const suspend = "\n              suspend:\n"
	g.Expect(strings.Count(string(text), suspend)).To(Equal(1))
	g.Expect(os.WriteFile(file, []byte(strings.Replace(string(text), suspend, "\n              later:\n                type: string"+suspend, 1)), 0o600)).To(Succeed())
	return dir
}

func (m *moving) later() string {
	value, _, err := unstructured.NestedString(m.streamNow().Object, "spec", "later")
	m.Expect(err).NotTo(HaveOccurred())
	return value
}

// becomes waits until the API server serves a definition in which spec.later has a value or not.
func (m *moving) becomes(want string) {
	m.Eventually(m.later).WithTimeout(suite.Patience).WithPolling(suite.Poll).Should(Equal(want))
}

func (m *moving) setLater() {
	text := strings.Replace(streamText, "spec:\n", "spec:\n  later: used\n", 1)
	m.Eventually(func() string {
		m.Expect(m.box.Apply(m.ctx, strings.NewReader(text))).To(Succeed())
		return m.later()
	}).WithTimeout(suite.Patience).WithPolling(suite.Poll).Should(Equal("used"))
}

func TestARollbackTakesTheDefinitionBack(t *testing.T) {
	m := newMoving(t)
	later := newer(m, filepath.Join(t.TempDir(), "runnel"))
	m.Expect(m.helmInstall(chartDir, "runnel", nil, false)).To(Succeed())
	uid := m.stream()
	m.helmUpgrade(later, "runnel", nil)
	m.setLater()

	m.helmRollback("runnel")
	m.becomes("")
	m.Expect(m.streamNow().GetUID()).To(Equal(uid))
	m.helmUpgrade(later, "runnel", nil)
	m.becomes("used") // what nobody has written meanwhile is still stored

	m.helmRollback("runnel")
	m.becomes("")
	s := m.streamNow()
	s.SetAnnotations(map[string]string{"written": time.Now().Format(time.RFC3339)})
	m.Expect(m.Update(m.ctx, s)).To(Succeed())
	m.helmUpgrade(later, "runnel", nil)
	m.Eventually(func() string { // a field of the newer definition is taken again
		m.Expect(m.Patch(m.ctx, m.streamNow(), client.RawPatch(types.MergePatchType, []byte(`{"spec":{"later":"again"}}`)))).To(Succeed())
		return m.later()
	}).WithTimeout(suite.Patience).WithPolling(suite.Poll).Should(Equal("again"), "and the value before it is gone for good")
}

// To go back without a downgrade of the definition, the earlier chart is installed without its own.
func TestAnEarlierOperatorWithTheLaterDefinition(t *testing.T) {
	m := newMoving(t)
	later := newer(m, filepath.Join(t.TempDir(), "runnel"))
	m.Expect(m.helmInstall(later, "runnel", nil, false)).To(Succeed())
	uid := m.stream()
	m.setLater()
	m.helmUpgrade(chartDir, "runnel", map[string]any{"crds": map[string]any{"enabled": false}, "concurrent": 7})
	m.Expect(m.operatorNow(operatorName).Spec.Template.Spec.Containers[0].Args).To(ContainElement("--concurrent=7"))
	m.Expect(m.later()).To(Equal("used"))
	m.Expect(m.streamNow().GetUID()).To(Equal(uid))
	m.Expect(m.definition().GetDeletionTimestamp()).To(BeNil())
}
