package e2e_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	operatorNamespace = "runnel-system"
	operatorLease     = "runnel-operator"
	// scraper is the ServiceAccount that may read the operator's metrics.
	scraper = "scraper"
)

// operatorPod is the operator's one pod that is not on its way out.
func operatorPod(ctx context.Context) (*corev1.Pod, error) {
	pods := &corev1.PodList{}
	if err := p.Client.List(ctx, pods, client.InNamespace(operatorNamespace), client.MatchingLabels{"app.kubernetes.io/component": "operator"}); err != nil {
		return nil, err
	}
	for i := range pods.Items {
		if pods.Items[i].DeletionTimestamp == nil {
			return &pods.Items[i], nil
		}
	}
	return nil, fmt.Errorf("none of %d pods is an operator that stays", len(pods.Items))
}

func operatorLog(ctx context.Context) string {
	pod, err := operatorPod(ctx)
	if err != nil {
		return err.Error()
	}
	log, err := p.Node.PodLogs(ctx, pod.Namespace, pod.Name, "", &corev1.PodLogOptions{})
	if err != nil {
		return err.Error()
	}
	defer func() { _ = log.Close() }()
	text, err := io.ReadAll(log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// leader is who holds the operator's lease, empty if nobody does.
func leader(ctx context.Context) string {
	GinkgoHelper()
	lease := get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: operatorLease}, &coordinationv1.Lease{})
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// restartOperator has the operator end as a node's drain would, and waits until another leads.
func restartOperator(ctx context.Context) {
	GinkgoHelper()
	before := leader(ctx)
	pod, err := operatorPod(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(p.Client.Delete(ctx, pod)).To(Succeed())
	anotherLeads(ctx, before)
}

// crashOperator kills the operator's process, and waits until another leads.
func crashOperator(ctx context.Context) {
	GinkgoHelper()
	before := leader(ctx)
	pod, err := operatorPod(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(p.Node.Kill(pod.Namespace, pod.Name)).To(Succeed())
	anotherLeads(ctx, before)
}

func anotherLeads(ctx context.Context, before string) {
	GinkgoHelper()
	Eventually(leader).WithContext(ctx).ShouldNot(Or(BeEmpty(), Equal(before)))
}

// letMetricsBeRead makes an account that may read the operator's metrics.
func letMetricsBeRead(ctx context.Context) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: scraper}}
	Expect(p.Client.Create(ctx, account)).To(Succeed())
	Expect(p.Client.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: scraper},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "runnel-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: scraper}},
	})).To(Succeed())
}

// work is how much the operator has done since it was started.
type work struct {
	done float64 // reconciliations
	idle bool    // nothing is queued or under way
}

// operatorWork reads the operator's metrics, with a token as Prometheus would.
func operatorWork(ctx context.Context) (work, error) {
	pod, err := operatorPod(ctx)
	if err != nil {
		return work{}, err
	}
	token, err := apiToken(ctx, operatorNamespace, scraper)
	if err != nil {
		return work{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+net.JoinHostPort(pod.Status.PodIP, "8443")+"/metrics", nil)
	if err != nil {
		return work{}, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	// Its certificate is made by itself at each start.
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}).Do(request)
	if err != nil {
		return work{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return work{}, fmt.Errorf("metrics: %s", answer.Status)
	}
	samples, err := readSamples(answer.Body)
	return work{
		done: samples["controller_runtime_reconcile_total"],
		idle: samples["workqueue_depth"]+samples["controller_runtime_active_workers"] == 0,
	}, err
}

// apiToken is a ServiceAccount's token for the API server itself.
func apiToken(ctx context.Context, namespace, account string) (string, error) {
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account}}
	request := &authenticationv1.TokenRequest{}
	err := p.Client.SubResource("token").Create(ctx, sa, request)
	return request.Status.Token, err
}

// readSamples sums up the samples of each name in Prometheus' text format.
func readSamples(text io.Reader) (map[string]float64, error) {
	sums := map[string]float64{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line := lines.Text()
		name, _, _ := strings.Cut(line, "{")
		if value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64); err == nil && line[0] != '#' {
			sums[name] += value
		}
	}
	return sums, lines.Err()
}

// settledAfter waits until the operator has reconciled more than done times and has nothing left to do.
func settledAfter(ctx context.Context, done float64) float64 {
	GinkgoHelper()
	var w work
	Eventually(func() (bool, error) {
		var err error
		w, err = operatorWork(ctx)
		return w.idle && w.done > done, err
	}).WithContext(ctx).Should(BeTrue(), "the operator does not settle")
	return w.done
}
