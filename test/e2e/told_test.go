package e2e_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
)

var _ = Describe("What the operator does", func() {
	It("is in its log, in events and in metrics", func(ctx SpecContext) {
		s := serving(ctx)
		about := fmt.Sprintf(`.*"namespace":\s*"%s".*`, s.key.Namespace)
		logged := func(line string) {
			GinkgoHelper()
			Eventually(func() string { return operatorLog(ctx) }).Should(MatchRegexp(line))
		}
		logged(`"The operator starts","version":"`)
		logged(`Child created` + about + `"kind":\s*"Deployment"`)
		logged(`Condition changed` + about + `"type":\s*"Ready".*"to":\s*"True/Ready"`)

		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) { spec.Topics = append(spec.Topics, v1alpha1.Topic{Name: "told"}) })
		logged(`Child changed` + about + `"kind":\s*"ConfigMap"`)
		publish := get(ctx, s.child("shop-publish"), &corev1.Service{})
		patch(ctx, publish, `{"spec":{"selector":{"`+render.LabelInstance+`":"other"}}}`)
		logged(`Drift repaired` + about + `Service shop-publish`)
		Eventually(s.events).WithContext(ctx).Should(ContainElements("Reloading", "DriftRepaired"))

		series := func(status string, value int) string {
			return fmt.Sprintf(`runnel_operator_stream_condition{name="shop",namespace="%s",status="%s",type="Ready"} %d`, s.key.Namespace, status, value)
		}
		Eventually(func() (string, error) { return operatorMetrics(ctx) }).Should(And(
			ContainSubstring(series("True", 1)), ContainSubstring(series("False", 0)), ContainSubstring(`runnel_operator_build_info{goversion="go1.`),
			MatchRegexp(`runnel_operator_child_changes_total{how="repaired",kind="Service"} [1-9]`),
			ContainSubstring(`runnel_operator_child_changes_total{how="deleted",kind="Deployment"} 0`)))
		Expect(p.Client.Delete(ctx, s.now(ctx), client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		Eventually(func() (string, error) { return operatorMetrics(ctx) }).ShouldNot(ContainSubstring(`namespace="` + s.key.Namespace + `"`))
	})
})

// operatorMetrics are those of the operator's pod, as Prometheus reads them.
func operatorMetrics(ctx context.Context) (string, error) {
	pod, err := operatorPod(ctx)
	if err != nil {
		return "", err
	}
	token, err := apiToken(ctx, operatorNamespace, scraper)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+net.JoinHostPort(pod.Status.PodIP, "8443")+"/metrics", nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return "", fmt.Errorf("metrics: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}
