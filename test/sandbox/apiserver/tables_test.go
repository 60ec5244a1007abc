package apiserver_test

import (
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// printed asks for a path as `kubectl get` does, and joins the cells of the narrow columns.
func printed(ctx SpecContext, path string) (header string, rows []string) {
	text, err := typed.CoreV1().RESTClient().Get().AbsPath(path).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(ctx)
	ExpectWithOffset(1, err).NotTo(HaveOccurred())
	var t metav1.Table
	ExpectWithOffset(1, json.Unmarshal(text, &t)).To(Succeed())
	join := func(cell func(int) any) string {
		var out []string
		for i, c := range t.ColumnDefinitions {
			if c.Priority == 0 {
				out = append(out, fmt.Sprint(cell(i)))
			}
		}
		return strings.Join(out, "|")
	}
	for _, r := range t.Rows {
		ExpectWithOffset(1, r.Cells).To(HaveLen(len(t.ColumnDefinitions)))
		rows = append(rows, join(func(i int) any { return r.Cells[i] }))
	}
	return join(func(i int) any { return t.ColumnDefinitions[i].Name }), rows
}

var _ = Describe("Tables", func() {
	It("are those of a cluster", func(ctx SpecContext) {
		ns := newNamespace(ctx, nil)
		in := func(group, resource string) (string, []string) {
			return printed(ctx, group+"/namespaces/"+ns+"/"+resource)
		}
		Expect(apply(ctx, appliedDeployment(ns))).To(Succeed())
		Expect(apply(ctx, appliedService(ns))).To(Succeed())
		p := newPod(ns, "p")
		Expect(admin.Create(ctx, p)).To(Succeed())
		p.Status.Phase = corev1.PodRunning
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "c", RestartCount: 2, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
		}}
		Expect(admin.Status().Update(ctx, p)).To(Succeed())

		header, rows := in("/apis/apps/v1", "deployments")
		Expect(header).To(Equal("Name|Ready|Up-to-date|Available|Age"))
		Expect(rows).To(ConsistOf(MatchRegexp(`^demo\|0/2\|0\|0\|[\dms]+$`)))
		header, rows = in("/api/v1", "services")
		Expect(header).To(Equal("Name|Type|Cluster-IP|External-IP|Port(s)|Age"))
		Expect(rows).To(ConsistOf(MatchRegexp(`^demo\|ClusterIP\|127\.96\.\d+\.\d+\|<none>\|80/TCP\|[\dms]+$`)))
		header, rows = in("/api/v1", "pods")
		Expect(header).To(Equal("Name|Ready|Status|Restarts|Age"))
		Expect(rows).To(ConsistOf(MatchRegexp(`^p\|0/1\|CrashLoopBackOff\|2\|[\dms]+$`)))

		for path, want := range map[string]string{
			"/apis/apps/v1/replicasets": "Name|Desired|Current|Ready|Age", "/apis/apps/v1/statefulsets": "Name|Ready|Age",
			"/api/v1/configmaps": "Name|Data|Age", "/api/v1/secrets": "Name|Type|Data|Age", "/api/v1/serviceaccounts": "Name|Secrets|Age",
			"/api/v1/nodes": "Name|Status|Roles|Age|Version", "/api/v1/namespaces": "Name|Status|Age",
			"/api/v1/events": "Last Seen|Type|Reason|Object|Message",
			"/apis/discovery.k8s.io/v1/endpointslices": "Name|AddressType|Ports|Endpoints|Age",
			"/apis/coordination.k8s.io/v1/leases":      "Name|Holder|Age",
			"/apis/test.runnel.dev/v1/widgets":         "Name|Replicas",
		} {
			header, _ := printed(ctx, path)
			Expect(header).To(Equal(want), path)
		}
	})
})
