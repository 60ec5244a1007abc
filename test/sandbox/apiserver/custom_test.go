package apiserver_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metrics "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

var _ = Describe("Custom resources", func() {
	var ns string
	BeforeEach(func(ctx SpecContext) { ns = newNamespace(ctx, nil) })

	It("are defaulted and held against schema and CEL", func(ctx SpecContext) {
		w := newWidget(ns, "w", map[string]any{"topics": []any{"a"}})
		Expect(admin.Create(ctx, w)).To(Succeed())
		n, _, _ := unstructured.NestedInt64(w.Object, "spec", "maxReplicas")
		Expect(n).To(BeEquivalentTo(5))
		err := admin.Create(ctx, newWidget(ns, "x", map[string]any{"replicas": int64(9)}))
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring("replicas must not exceed maxReplicas: lower it")))
		err = admin.Create(ctx, newWidget(ns, "x", map[string]any{"replicas": int64(-1)}))
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		err = admin.Create(ctx, newWidget(ns, "x", map[string]any{"unknown": true}), client.FieldValidation(metav1.FieldValidationStrict))
		Expect(err).To(MatchError(ContainSubstring(`unknown field "spec.unknown"`)))
	})

	It("have a status and a scale of their own", func(ctx SpecContext) {
		w := newWidget(ns, "w", map[string]any{})
		Expect(admin.Create(ctx, w)).To(Succeed())
		status := newWidget(ns, "w", nil)
		status.Object = map[string]any{"apiVersion": "test.runnel.dev/v1", "kind": "Widget",
			"metadata": map[string]any{"name": "w", "namespace": ns}, "status": map[string]any{"phase": "Ready", "replicas": int64(1)}}
		Expect(admin.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(status), client.FieldOwner("operator"))).To(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(w), w)).To(Succeed())
		Expect(w.Object["status"]).To(HaveKeyWithValue("phase", "Ready"))
		Expect(w.GetGeneration()).To(BeEquivalentTo(1))
	})

	It("are reconciled by a controller that repairs drift of what it owns", func(ctx SpecContext) {
		mgr, err := ctrl.NewManager(server.Config, ctrl.Options{
			Logger: GinkgoLogr, Metrics: metrics.Options{BindAddress: "0"}, Cache: cache.Options{DefaultNamespaces: map[string]cache.Config{ns: {}}},
			LeaderElection: true, LeaderElectionID: "widgets", LeaderElectionNamespace: ns, LeaderElectionReleaseOnCancel: true,
		})
		Expect(err).NotTo(HaveOccurred())
		kind := newWidget("", "", nil)
		err = ctrl.NewControllerManagedBy(mgr).Named("widgets-" + ns).For(kind).Owns(&corev1.ConfigMap{}).Complete(reconcile.Func(
			func(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
				c := accore.ConfigMap(r.Name, r.Namespace).WithData(map[string]string{"k": "v"})
				w := newWidget("", "", nil)
				if err := mgr.GetClient().Get(ctx, r.NamespacedName, w); err != nil {
					return reconcile.Result{}, client.IgnoreNotFound(err)
				}
				c.WithOwnerReferences(owner(w))
				return reconcile.Result{}, mgr.GetClient().Apply(ctx, c, client.FieldOwner("operator"), client.ForceOwnership)
			}))
		Expect(err).NotTo(HaveOccurred())
		run, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- mgr.Start(run) }()
		DeferCleanup(func() { stop(); Expect(<-ended).To(Succeed()) })
		Eventually(mgr.Elected()).Should(BeClosed())

		Expect(admin.Create(ctx, newWidget(ns, "w", map[string]any{}))).To(Succeed())
		c := &corev1.ConfigMap{}
		key := client.ObjectKey{Namespace: ns, Name: "w"}
		Eventually(func() error { return admin.Get(ctx, key, c) }).Should(Succeed())
		c.Data["k"] = "drifted"
		Expect(admin.Update(ctx, c)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, key, c)).To(Succeed())
			g.Expect(c.Data).To(HaveKeyWithValue("k", "v"))
		}).Should(Succeed())
	})
})
