package install_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/runnel-dev/runnel/test/install"
)

// monitored are the ways to install Runnel with a ServiceMonitor.
func monitored(t *testing.T) map[string]func() (install.Objects, error) {
	config := filepath.Join(t.TempDir(), "config")
	g := NewWithT(t)
	g.Expect(os.CopyFS(config, os.DirFS(filepath.Join(root, "config")))).To(Succeed())
	file := filepath.Join(config, "default", "kustomization.yaml")
	text, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	const hint = "# With Prometheus operator: - ../prometheus"
	g.Expect(string(text)).To(ContainSubstring(hint))
	g.Expect(os.WriteFile(file, []byte(strings.Replace(string(text), hint, "- ../prometheus", 1)), 0o600)).To(Succeed())
	return map[string]func() (install.Objects, error){
		"kustomize": func() (install.Objects, error) { return install.Kustomize(filepath.Dir(file)) },
		"Helm":      chart(map[string]any{"metrics": map[string]any{"serviceMonitor": map[string]any{"enabled": true}}}),
	}
}

func find[T any](g Gomega, objects install.Objects, kind string, is func(T) bool) T {
	all, err := install.Of[T](objects, kind)
	g.Expect(err).NotTo(HaveOccurred())
	for _, o := range all {
		if is(o) {
			return o
		}
	}
	g.Expect(all).To(BeNil(), "no "+kind+" is the one that is needed")
	panic("unreachable")
}

// endpoint is that of the ServiceMonitor.
func endpoint(g Gomega, objects install.Objects) map[string]any {
	for _, o := range objects {
		if o.GetKind() == "ServiceMonitor" {
			all, _, err := unstructured.NestedSlice(o.Object, "spec", "endpoints")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(all).To(HaveLen(1))
			return all[0].(map[string]any)
		}
	}
	g.Expect(objects).To(BeNil(), "there is no ServiceMonitor")
	return nil
}

// Many clusters refuse a ServiceMonitor that names a file of Prometheus' own pod.
func TestPrometheusShowsATokenThatMayReadMetrics(t *testing.T) {
	for name, objects := range monitored(t) {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			all, err := objects()
			g.Expect(err).NotTo(HaveOccurred())
			at := endpoint(g, all)
			g.Expect(at).NotTo(Or(HaveKey("bearerTokenFile"), HaveKey("bearerTokenSecret")))
			shown, _, err := unstructured.NestedStringMap(at, "authorization", "credentials")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(shown).To(HaveKeyWithValue("key", corev1.ServiceAccountTokenKey))
			secret := find(g, all, "Secret", func(s corev1.Secret) bool { return s.Name == shown["name"] && s.Namespace == install.Namespace })
			g.Expect(secret.Type).To(Equal(corev1.SecretTypeServiceAccountToken))
			account := find(g, all, "ServiceAccount", func(a corev1.ServiceAccount) bool { return a.Name == secret.Annotations[corev1.ServiceAccountNameKey] })
			g.Expect(account.Namespace).To(Equal(install.Namespace))
			rights, err := install.RightsOf(all, account.Name)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(rights).To(Equal(install.Rights{"": {{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}}}}), "and no more")
		})
	}
}

func TestTheChartTakesATokenOfSomebodyElse(t *testing.T) {
	g := NewWithT(t)
	own := map[string]any{"credentials": map[string]any{"name": "prometheus", "key": "bearer"}}
	all, err := chart(map[string]any{"metrics": map[string]any{"serviceMonitor": map[string]any{"enabled": true, "authorization": own}}})()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(endpoint(g, all)["authorization"]).To(Equal(own))
	secrets, err := install.Of[corev1.Secret](all, "Secret")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(secrets).To(BeEmpty())
	bindings, err := install.Of[rbacv1.ClusterRoleBinding](all, "ClusterRoleBinding")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bindings).NotTo(ContainElement(HaveField("Name", ContainSubstring("scraper"))))
	_, err = chart(map[string]any{"metrics": map[string]any{"serviceMonitor": map[string]any{"authorization": map[string]any{"token": "x"}}}})()
	g.Expect(err).To(MatchError(ContainSubstring("authorization")))
}
