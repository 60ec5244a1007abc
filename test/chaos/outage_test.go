package chaos_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/test/sse"
	"github.com/runnel-dev/runnel/test/suite"
)

// outage is longer than a leader tries to renew its lease, which is 10 s: its process ends then, and the kubelet starts another one.
const outage = 30 * time.Second

var _ = Describe("The control path", Ordered, func() {
	It("comes back by itself after 30 s without an API server, while hubs go on", func(ctx SpecContext) {
		key := makeStream(ctx)
		publish := publisherOf(ctx, key)
		subscribe, err := p.SubscribeURL(ctx, key)
		Expect(err).NotTo(HaveOccurred())
		r, err := sse.Open(ctx, subscribe+"/v1/topics/orders/events")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(r.Close)
		before := restarts(ctx)
		hub := hubs(ctx, key)
		calls.take()

		Expect(p.API.Pause()).To(Succeed())
		began := time.Now()
		for n := 0; time.Since(began) < outage; n++ {
			data := fmt.Sprint("event ", n)
			publish(ctx, data)
			Expect(receives(ctx, r)).To(Equal(data), "on the first connection")
			// It stands for somebody who publishes now and then.
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
		other, err := sse.Open(ctx, subscribe+"/v1/topics/orders/events")
		Expect(err).NotTo(HaveOccurred(), "new readers are let in")
		other.Close()
		Expect(p.API.Resume()).To(Succeed())
		change(ctx, key, "7s") // at once

		Eventually(func() string { return written(ctx, key) }).Should(ContainSubstring(`"7s"`), "the change is carried out")
		ready(ctx, key)
		AddReportEntry("recovered", fmt.Sprintf("%.1fs after the outage", (time.Since(began)-outage).Seconds()), ReportEntryVisibilityFailureOrVerbose)
		Expect(restarts(ctx)).NotTo(Equal(before), "an operator that lost its lease has ended")
		Expect(hubs(ctx, key)).To(Equal(hub), "the hub's process is the same")
		publish(ctx, "after")
		Expect(receives(ctx, r)).To(Equal("after"))
	}, NodeTimeout(suite.Timeout))

	It("ends the operator that loses its lease, and goes on with the next process", func(ctx SpecContext) {
		key := makeStream(ctx)
		before := restarts(ctx)
		steal(ctx)
		Eventually(func() map[string]int32 { return restarts(ctx) }).ShouldNot(Equal(before))
		for _, o := range operators(ctx) {
			ended := o.Status.ContainerStatuses[0].LastTerminationState.Terminated
			Expect(ended).NotTo(BeNil())
			Expect(ended.ExitCode).To(BeEquivalentTo(1))
		}
		change(ctx, key, "8s")
		ready(ctx, key)
		Expect(written(ctx, key)).To(ContainSubstring(`"8s"`))
	}, NodeTimeout(suite.Timeout))

	It("goes over to the operator that stands by when the one that leads is killed, and nothing is written twice", func(ctx SpecContext) {
		key := makeStream(ctx)
		twoOperators(ctx)
		before := leader(ctx)
		led := whoLeads(ctx)
		Expect(p.Node.Kill(operatorNamespace, led)).To(Succeed())
		calls.take()
		change(ctx, key, "8s")
		began := time.Now()
		Eventually(leader).WithContext(ctx).ShouldNot(Equal(before))
		AddReportEntry("failover", fmt.Sprintf("%.1fs", time.Since(began).Seconds()), ReportEntryVisibilityFailureOrVerbose)
		ready(ctx, key)
		writes := map[string]int{}
		for _, w := range calls.take() {
			writes[w]++
		}
		Expect(writes).To(HaveKeyWithValue("patch configmaps: 200", 1))
		for _, follows := range []string{"patch configmaps: 200", "patch pods/status: 200", "patch eventstreams/status: 200"} {
			delete(writes, follows) // a kubelet is nudged again while its hub has not taken up the change
		}
		Expect(writes).To(BeEmpty(), "a new leader finds all else as it should be")
	}, NodeTimeout(suite.Timeout))

	It("has the last word from the operator that leads when another one wakes up that believes to lead", func(ctx SpecContext) {
		key := makeStream(ctx)
		twoOperators(ctx)
		before := leader(ctx)
		led := whoLeads(ctx)
		Expect(p.Node.Pause(operatorNamespace, led)).To(Succeed())
		change(ctx, key, "8s")
		Eventually(leader).WithContext(ctx).ShouldNot(Equal(before))
		ready(ctx, key)
		Expect(p.Node.Resume(operatorNamespace, led)).To(Succeed())
		change(ctx, key, "9s")
		ready(ctx, key)
		Eventually(func() string { return written(ctx, key) }).Should(ContainSubstring(`"9s"`))
	}, NodeTimeout(suite.Timeout))
})

// steal writes into the lease that somebody else holds it, who never renews it.
func steal(ctx context.Context) {
	GinkgoHelper()
	Expect(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		lease := &coordinationv1.Lease{}
		if err := p.Client.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: "runnel-operator"}, lease); err != nil {
			return err
		}
		now := metav1.NowMicro()
		lease.Spec.HolderIdentity, lease.Spec.AcquireTime, lease.Spec.RenewTime = new("somebody-else"), &now, &now
		return p.Client.Update(ctx, lease)
	})).To(Succeed())
}

// twoOperators has another one stand by until the spec ends.
func twoOperators(ctx context.Context) {
	GinkgoHelper()
	scale := func(replicas int) {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "runnel-operator"}}
		document := fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas)
		Expect(p.Client.Patch(context.WithoutCancel(ctx), d, client.RawPatch(types.MergePatchType, []byte(document)))).To(Succeed())
	}
	scale(2)
	DeferCleanup(func(ctx SpecContext) {
		scale(1)
		Eventually(func() []corev1.Pod { return operators(ctx) }).Should(HaveLen(1))
		Eventually(func() string { return whoLeads(ctx) }).ShouldNot(BeEmpty())
	})
	Eventually(func() int {
		n := 0
		for _, pod := range operators(ctx) {
			for _, c := range pod.Status.Conditions {
				if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
					n++
				}
			}
		}
		return n
	}).Should(Equal(2), "the one that stands by is ready: its cache is filled")
}

// written is the configuration of a stream's hub.
func written(ctx context.Context, key types.NamespacedName) string {
	GinkgoHelper()
	cm := &corev1.ConfigMap{}
	Expect(p.Client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: render.HubName(key.Name)}, cm)).To(Succeed())
	return cm.Data[render.ConfigKey]
}

// publisherOf publishes to orders with a token that outlasts the API server's absence.
func publisherOf(ctx context.Context, key types.NamespacedName) func(ctx context.Context, data string) {
	GinkgoHelper()
	url, err := p.PublishURL(ctx, key)
	Expect(err).NotTo(HaveOccurred())
	token, err := p.Token(ctx, key.Namespace, publisher, render.Audience(key.Namespace, key.Name))
	Expect(err).NotTo(HaveOccurred())
	return func(ctx context.Context, data string) {
		GinkgoHelper()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/topics/orders", bytes.NewBufferString(data))
		Expect(err).NotTo(HaveOccurred())
		request.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(request)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.StatusCode).To(Equal(http.StatusOK), "%s", body)
	}
}

// receives is the data of a reader's next event that somebody published.
func receives(ctx context.Context, r *sse.Stream) string {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, suite.Patience)
	defer cancel()
	for {
		e, err := r.Next(ctx)
		Expect(err).NotTo(HaveOccurred())
		if e.Type != "runnel-open" {
			return e.Data
		}
	}
}

// restarts are those of the operators' containers, by pod.
func restarts(ctx context.Context) map[string]int32 {
	GinkgoHelper()
	n := map[string]int32{}
	for _, pod := range operators(ctx) {
		n[pod.Name] = pod.Status.ContainerStatuses[0].RestartCount
	}
	return n
}

// hubs are the runs of a stream's hubs.
func hubs(ctx context.Context, key types.NamespacedName) (runs []string) {
	GinkgoHelper()
	list := &corev1.PodList{}
	Expect(p.Client.List(ctx, list, client.InNamespace(key.Namespace), client.MatchingLabels(render.Selector(key.Name)))).To(Succeed())
	for _, pod := range list.Items {
		runs = append(runs, pod.Status.ContainerStatuses[0].ContainerID)
	}
	return runs
}

// whoLeads is the pod of the operator that leads; empty if none does. The pods share a host, so that the lease's holder does not tell.
func whoLeads(ctx context.Context) (pod string) {
	GinkgoHelper()
	last := time.Time{}
	for _, o := range operators(ctx) {
		log, err := p.Node.PodLogs(ctx, o.Namespace, o.Name, "", &corev1.PodLogOptions{})
		if err != nil {
			continue // its container is being started
		}
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			var line struct {
				Msg  string
				Time time.Time `json:"ts"`
			}
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "Successfully acquired lease" && line.Time.After(last) {
				pod, last = o.Name, line.Time
			}
		}
		Expect(log.Close()).To(Succeed())
	}
	return pod
}
