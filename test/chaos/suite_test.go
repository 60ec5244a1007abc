// Package chaos_test takes parts of the control path away from a running installation.
package chaos_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/rules"
	"github.com/runnel-dev/runnel/test/platform"
	"github.com/runnel-dev/runnel/test/sandbox"
	"github.com/runnel-dev/runnel/test/suite"
)

const (
	operatorNamespace = "runnel-system"
	// publisher is the ServiceAccount that publishes.
	publisher = "checkout"
)

// p is what all specs share, and calls what the API server was asked.
var (
	p     *platform.Platform
	calls callLog
)

func TestChaos(t *testing.T) {
	suite.Run(t, "Chaos")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	logf.SetLogger(suite.Logger())
	bin, err := platform.Programs(ctx)
	Expect(err).NotTo(HaveOccurred())
	p, err = platform.Start(ctx, platform.Options{Bin: bin, Sandbox: sandbox.Options{Calls: calls.tell}})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(p.Stop()).To(Succeed()) })
	Expect(p.Install(ctx)).To(Succeed())
}, NodeTimeout(suite.Timeout))

// makeStream makes a stream in a namespace of its own and waits until it is Ready.
func makeStream(ctx context.Context) types.NamespacedName {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}
	Expect(p.Client.Create(ctx, ns)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		// With the namespace, it would stay until long after its pods.
		Expect(p.Client.DeleteAllOf(ctx, &v1alpha1.EventStream{}, client.InNamespace(ns.Name))).To(Succeed())
		Expect(p.Client.Delete(ctx, ns)).To(Succeed())
	})
	Expect(p.Client.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: publisher}})).To(Succeed())
	key := types.NamespacedName{Namespace: ns.Name, Name: "shop"}
	Expect(p.Client.Create(ctx, &v1alpha1.EventStream{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
		Spec: v1alpha1.EventStreamSpec{
			Topics: []v1alpha1.Topic{{Name: "orders"}},
			Drain:  v1alpha1.Drain{Window: "1s"},
			Auth:   &v1alpha1.Auth{Subscribers: &v1alpha1.SubscriberAuth{Anonymous: &v1alpha1.Anonymous{}}},
		},
	})).To(Succeed())
	ready(ctx, key)
	return key
}

// ready waits until the newest spec serves, and holds the status against the rules.
func ready(ctx context.Context, key types.NamespacedName) *v1alpha1.EventStream {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, suite.Patience)
	defer cancel()
	s, err := p.Ready(ctx, key)
	Expect(err).NotTo(HaveOccurred())
	Expect(rules.Broken(s)).To(BeEmpty())
	return s
}

// change changes a stream's heartbeat, which its hub takes up.
func change(ctx context.Context, key types.NamespacedName, interval v1alpha1.Duration) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		s := &v1alpha1.EventStream{}
		g.Expect(p.Client.Get(ctx, key, s)).To(Succeed())
		s.Spec.Heartbeat.Interval = interval
		g.Expect(p.Client.Update(ctx, s)).To(Succeed())
	}).Should(Succeed())
}

// operators are the operator's pods that are not on their way out.
func operators(ctx context.Context) []corev1.Pod {
	GinkgoHelper()
	list := &corev1.PodList{}
	Expect(p.Client.List(ctx, list, client.InNamespace(operatorNamespace), client.MatchingLabels{"app.kubernetes.io/component": "operator"})).To(Succeed())
	var pods []corev1.Pod
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			pods = append(pods, pod)
		}
	}
	return pods
}

// leader holds the operators' lease; empty if nobody does.
func leader(ctx context.Context) string {
	GinkgoHelper()
	lease := &coordinationv1.Lease{}
	Expect(p.Client.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: "runnel-operator"}, lease)).To(Succeed())
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}
