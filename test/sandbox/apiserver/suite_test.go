package apiserver_test

import (
	"context"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/runnel-dev/runnel/test/sandbox/apiserver"
	"github.com/runnel-dev/runnel/test/suite"
)

func TestAPIServer(t *testing.T) {
	suite.Run(t, "API server")
}

// One server for the suite; each spec has a namespace of its own.
var (
	server *apiserver.Server
	admin  client.Client
	typed  kubernetes.Interface
	logs   *podLogs
)

var _ = BeforeSuite(func(ctx SpecContext) {
	began := time.Now()
	logs = &podLogs{}
	var err error
	server, err = apiserver.Start(ctx, apiserver.Options{Logger: suite.Logger(), PodLogs: logs.open})
	Expect(err).NotTo(HaveOccurred())
	AddReportEntry("started in", time.Since(began).String(), ReportEntryVisibilityFailureOrVerbose)
	DeferCleanup(func() {
		began := time.Now()
		server.Stop()
		AddReportEntry("stopped in", time.Since(began).String(), ReportEntryVisibilityFailureOrVerbose)
	})
	admin, err = client.New(server.Config, client.Options{})
	Expect(err).NotTo(HaveOccurred())
	typed, err = kubernetes.NewForConfig(server.Config)
	Expect(err).NotTo(HaveOccurred())

	text, err := os.ReadFile("testdata/widgets.yaml")
	Expect(err).NotTo(HaveOccurred())
	crd := &unstructured.Unstructured{}
	Expect(yaml.Unmarshal(text, crd)).To(Succeed())
	Expect(admin.Create(ctx, crd)).To(Succeed())
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(crd), crd)).To(Succeed())
		g.Expect(conditions(crd)).To(HaveKeyWithValue("Established", "True"))
	}).Should(Succeed())
})

func conditions(u *unstructured.Unstructured) map[string]string {
	out := map[string]string{}
	list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range list {
		m := c.(map[string]any)
		out[m["type"].(string)], _ = m["status"].(string)
	}
	return out
}

// newNamespace makes a namespace that goes with the spec.
func newNamespace(ctx SpecContext, labels map[string]string) string {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "spec-", Labels: labels}}
	ExpectWithOffset(1, admin.Create(ctx, ns)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		Expect(client.IgnoreNotFound(admin.Delete(ctx, ns))).To(Succeed())
	})
	return ns.Name
}

func newWidget(namespace, name string, spec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "test.runnel.dev/v1", "kind": "Widget", "spec": spec}}
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

// release takes all finalizers from an object. The object may be written by a controller at the same time, so this is no update of what
// was read before.
func release(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Expect(admin.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
}
