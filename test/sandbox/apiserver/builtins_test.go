package apiserver_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	acmeta "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func appliedDeployment(ns string) *acapps.DeploymentApplyConfiguration {
	l := map[string]string{"app": "demo"}
	return acapps.Deployment("demo", ns).WithLabels(l).WithSpec(acapps.DeploymentSpec().WithReplicas(2).
		WithSelector(acmeta.LabelSelector().WithMatchLabels(l)).
		WithTemplate(accore.PodTemplateSpec().WithLabels(l).WithSpec(accore.PodSpec().WithContainers(accore.Container().
			WithName("hub").WithImage("hub:1").
			WithPorts(accore.ContainerPort().WithName("http").WithContainerPort(8080)).
			WithEnv(accore.EnvVar().WithName("A").WithValue("1"))))))
}

func appliedService(ns string) *accore.ServiceApplyConfiguration {
	return accore.Service("demo", ns).WithSpec(accore.ServiceSpec().WithSelector(map[string]string{"app": "demo"}).
		WithPorts(accore.ServicePort().WithName("http").WithPort(80)))
}

func apply(ctx SpecContext, c runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	return admin.Apply(ctx, c, append([]client.ApplyOption{client.FieldOwner("operator")}, opts...)...)
}

var _ = Describe("Built-in kinds", func() {
	var ns string
	var key types.NamespacedName
	BeforeEach(func(ctx SpecContext) {
		ns = newNamespace(ctx, nil)
		key = types.NamespacedName{Namespace: ns, Name: "demo"}
	})

	It("are applied with defaults, and the same again writes nothing", func(ctx SpecContext) {
		Expect(apply(ctx, appliedDeployment(ns))).To(Succeed())
		Expect(apply(ctx, appliedService(ns))).To(Succeed())
		var d appsv1.Deployment
		var s corev1.Service
		Expect(admin.Get(ctx, key, &d)).To(Succeed())
		Expect(admin.Get(ctx, key, &s)).To(Succeed())
		Expect(d.Generation).To(BeEquivalentTo(1))
		Expect(d.Spec.Strategy.RollingUpdate.MaxSurge.String()).To(Equal("25%"))
		Expect(d.Spec.Template.Spec.Containers[0].Ports[0].Protocol).To(Equal(corev1.ProtocolTCP))
		Expect(s.Spec.ClusterIP).To(HavePrefix("127.96."))
		Expect(s.Spec.Ports[0].TargetPort.IntValue()).To(Equal(80))
		was := d.ResourceVersion + " " + s.ResourceVersion
		for range 2 {
			Expect(apply(ctx, appliedDeployment(ns))).To(Succeed())
			Expect(apply(ctx, appliedService(ns))).To(Succeed())
		}
		Expect(admin.Get(ctx, key, &d)).To(Succeed())
		Expect(admin.Get(ctx, key, &s)).To(Succeed())
		Expect(d.ResourceVersion + " " + s.ResourceVersion).To(Equal(was))
	})

	It("merge what two field managers apply, and report their conflicts", func(ctx SpecContext) {
		Expect(apply(ctx, appliedDeployment(ns))).To(Succeed())
		Expect(apply(ctx, appliedService(ns))).To(Succeed())
		other := client.FieldOwner("other")
		Expect(admin.Apply(ctx, accore.Service("demo", ns).WithSpec(accore.ServiceSpec().
			WithPorts(accore.ServicePort().WithName("metrics").WithPort(9090))), other)).To(Succeed())
		Expect(admin.Apply(ctx, acapps.Deployment("demo", ns).WithSpec(acapps.DeploymentSpec().WithTemplate(accore.PodTemplateSpec().
			WithSpec(accore.PodSpec().WithContainers(accore.Container().WithName("hub").WithEnv(accore.EnvVar().WithName("B").WithValue("2")))))), other)).To(Succeed())
		Expect(apply(ctx, appliedService(ns))).To(Succeed())
		var d appsv1.Deployment
		var s corev1.Service
		Expect(admin.Get(ctx, key, &d)).To(Succeed())
		Expect(admin.Get(ctx, key, &s)).To(Succeed())
		Expect(s.Spec.Ports).To(HaveLen(2))
		Expect(d.Spec.Template.Spec.Containers).To(HaveLen(1))
		Expect(d.Spec.Template.Spec.Containers[0].Env).To(HaveLen(2))
		Expect(d.Spec.Template.Spec.Containers[0].Image).To(Equal("hub:1"))

		Expect(admin.Apply(ctx, accore.Service("demo", ns), other)).To(Succeed())
		Expect(admin.Get(ctx, key, &s)).To(Succeed())
		Expect(s.Spec.Ports).To(HaveLen(1), "what a manager no longer applies goes")

		err := admin.Apply(ctx, acapps.Deployment("demo", ns).WithSpec(acapps.DeploymentSpec().WithReplicas(7)), other)
		Expect(apierrors.IsConflict(err)).To(BeTrue(), "%v", err)
	})

	It("keep spec and status apart", func(ctx SpecContext) {
		Expect(apply(ctx, appliedDeployment(ns))).To(Succeed())
		var d appsv1.Deployment
		Expect(admin.Get(ctx, key, &d)).To(Succeed())
		d.Status.ReadyReplicas, d.Spec.Paused = 2, true
		Expect(admin.Status().Update(ctx, &d)).To(Succeed())
		Expect(d.Generation).To(BeEquivalentTo(1))
		Expect(d.Spec.Paused).To(BeFalse())
		Expect(d.Status.ReadyReplicas).To(BeEquivalentTo(2))
		patch := `{"spec":{"template":{"spec":{"containers":[{"name":"hub","image":"hub:9"}]}}},"status":{"readyReplicas":9}}`
		Expect(admin.Patch(ctx, &d, client.RawPatch(types.StrategicMergePatchType, []byte(patch)))).To(Succeed())
		Expect(d.Generation).To(BeEquivalentTo(2))
		Expect(d.Status.ReadyReplicas).To(BeEquivalentTo(2))
		Expect(d.Spec.Template.Spec.Containers).To(HaveLen(1))
		stale := d.DeepCopy()
		stale.ResourceVersion = "1"
		Expect(apierrors.IsConflict(admin.Update(ctx, stale))).To(BeTrue())
	})

	It("scale", func(ctx SpecContext) {
		Expect(apply(ctx, appliedDeployment(ns))).To(Succeed())
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "demo"}}
		s := &autoscalingv1.Scale{}
		Expect(admin.SubResource("scale").Get(ctx, d, s)).To(Succeed())
		Expect(s.Spec.Replicas).To(BeEquivalentTo(2))
		Expect(s.Status.Selector).To(Equal("app=demo"))
		s.Spec.Replicas = 5
		Expect(admin.SubResource("scale").Update(ctx, d, client.WithSubResourceBody(s))).To(Succeed())
		Expect(admin.Get(ctx, key, d)).To(Succeed())
		Expect(*d.Spec.Replicas).To(BeEquivalentTo(5))
		Expect(d.Generation).To(BeEquivalentTo(2))
		s.Spec.Replicas = 6
		s.ResourceVersion = "1"
		Expect(apierrors.IsConflict(admin.SubResource("scale").Update(ctx, d, client.WithSubResourceBody(s)))).To(BeTrue())
		s.Spec.Replicas, s.ResourceVersion = -1, ""
		Expect(apierrors.IsInvalid(admin.SubResource("scale").Update(ctx, d, client.WithSubResourceBody(s)))).To(BeTrue())
	})

	It("give every Service an address of its own, and give it back", func(ctx SpecContext) {
		make := func(name, ip string) (*corev1.Service, error) {
			return typed.CoreV1().Services(ns).Create(ctx, &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Name: name},
				Spec:       corev1.ServiceSpec{ClusterIP: ip, Ports: []corev1.ServicePort{{Port: 80}}},
			}, metav1.CreateOptions{})
		}
		a, err := make("a", "127.96.200.1")
		Expect(err).NotTo(HaveOccurred())
		_, err = make("b", "127.96.200.1")
		Expect(err).To(MatchError(ContainSubstring("another Service has this address")))
		_, err = make("b", "10.0.0.1")
		Expect(err).To(MatchError(ContainSubstring("must be an address of 127.96.0.0/16")))
		Expect(typed.CoreV1().Services(ns).Delete(ctx, a.Name, metav1.DeleteOptions{})).To(Succeed())
		_, err = make("b", "127.96.200.1")
		Expect(err).NotTo(HaveOccurred())
		headless, err := make("c", corev1.ClusterIPNone)
		Expect(err).NotTo(HaveOccurred())
		Expect(headless.Spec.ClusterIPs).To(Equal([]string{"None"}))

		d, err := make("d", "")
		Expect(err).NotTo(HaveOccurred())
		was := d.Spec.ClusterIP
		d.Spec.ClusterIP, d.Spec.ClusterIPs = "", nil
		d, err = typed.CoreV1().Services(ns).Update(ctx, d, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(d.Spec.ClusterIP).To(Equal(was), "an update may leave it out")
		d.Spec.ClusterIP, d.Spec.ClusterIPs = "127.96.200.9", nil
		_, err = typed.CoreV1().Services(ns).Update(ctx, d, metav1.UpdateOptions{})
		Expect(err).To(MatchError(ContainSubstring("may not change once set")))
	})

	It("take a Lease only by its version, so that two holders cannot both renew it", func(ctx SpecContext) {
		leases := typed.CoordinationV1().Leases(ns)
		l, err := leases.Create(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "lock"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		l.Spec.HolderIdentity = new("one")
		_, err = leases.Update(ctx, l, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred())
		_, err = leases.Update(ctx, l, metav1.UpdateOptions{})
		Expect(apierrors.IsConflict(err)).To(BeTrue(), "%v", err)
		l.ResourceVersion = ""
		_, err = leases.Update(ctx, l, metav1.UpdateOptions{})
		Expect(err).To(MatchError(ContainSubstring("metadata.resourceVersion")))
	})

	It("serve one set of events in both groups", func(ctx SpecContext) {
		e := &eventsv1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "e"}, EventTime: metav1.NowMicro(), Reason: "Created", Action: "Create",
			Type: corev1.EventTypeNormal, Note: "made it", ReportingController: "runnel.dev/operator", ReportingInstance: "one",
			Regarding: corev1.ObjectReference{Kind: "Pod", Namespace: ns, Name: "p"},
		}
		Expect(admin.Create(ctx, e)).To(Succeed())
		list, err := typed.CoreV1().Events(ns).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=p"})
		Expect(err).NotTo(HaveOccurred())
		Expect(list.Items).To(HaveLen(1))
		Expect(list.Items[0].Message).To(Equal("made it"))
		var back eventsv1.EventList
		Expect(admin.List(ctx, &back, client.InNamespace(ns))).To(Succeed())
		Expect(back.Items).To(HaveLen(1))
		Expect(back.Items[0].Note).To(Equal("made it"))
		Expect(back.Items[0].Regarding).To(Equal(e.Regarding))
	})
})
