package e2e_test

import (
	"context"
	"io"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/controllers/rules"
	"github.com/runnel-dev/runnel/test/platform"
	"github.com/runnel-dev/runnel/test/suite"
)

// fewNamespaces is a cluster of its own, whose operator is for team-a and team-b only.
type fewNamespaces struct{ *platform.Platform }

var _ = Describe("An operator for some namespaces", func() {
	It("works there with rights of those alone, and upgrades the hubs that follow it", func(ctx SpecContext) {
		c := startFewNamespaces(ctx)
		stays := c.stream(ctx, "team-a", "")
		follows := c.stream(ctx, "team-b", v1alpha1.ImageFollowOperator)
		before := c.pods(ctx, stays)
		Expect(before).To(HaveLen(1))
		for _, s := range []types.NamespacedName{stays, follows} {
			Expect(c.get(ctx, s).Status.Image).To(Equal("runnel:0.1.0"))
		}
		other := &v1alpha1.EventStream{}
		Expect(c.Client.Get(ctx, types.NamespacedName{Namespace: "team-c", Name: "shop"}, other)).To(Succeed())
		Expect(other.Status.Conditions).To(BeEmpty(), "it was there before the others, which are ready")

		c.upgradeOperator(ctx, "runnel:0.2.0")
		c.runs(ctx, follows, "runnel:0.2.0")
		Expect(c.get(ctx, stays).Status.Image).To(Equal("runnel:0.1.0"))
		Expect(c.pods(ctx, stays)).To(Equal(before), "its policy is the operator's, which is Pinned")

		s := c.get(ctx, stays)
		c.update(ctx, s, func() { s.Spec.ImagePolicy = v1alpha1.ImageFollowOperator })
		c.runs(ctx, stays, "runnel:0.2.0")
		Expect(c.log(ctx)).NotTo(ContainSubstring("forbidden"))
	}, SpecTimeout(suite.Timeout))

	It("stops at an image that cannot be pulled, with every hub of before still serving", func(ctx SpecContext) {
		c := startFewNamespaces(ctx)
		streams := []types.NamespacedName{
			c.stream(ctx, "team-a", v1alpha1.ImageFollowOperator), c.stream(ctx, "team-b", v1alpha1.ImageFollowOperator),
		}
		c.upgradeOperator(ctx, "nowhere:0.2.0", "--max-concurrent-upgrades=1")
		stuck := func() (names []string) {
			for _, key := range streams {
				s := c.get(ctx, key)
				Expect(meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionAvailable)).To(BeTrue())
				if ready := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady); ready.Status == metav1.ConditionFalse &&
					ready.Reason == v1alpha1.ReasonProgressing && strings.Contains(ready.Message, "cannot pull image nowhere:0.2.0") {
					names = append(names, key.Namespace)
				}
			}
			return names
		}
		Eventually(stuck).Should(HaveLen(1))
		for _, key := range streams {
			s := c.get(ctx, key)
			Expect(rules.Broken(s)).To(BeEmpty())
			if key.Namespace != stuck()[0] {
				Expect(s.Status.Image).To(Equal("runnel:0.1.0"), "it waits for its turn")
				Expect(meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue())
			}
		}
		c.upgradeOperator(ctx, "runnel:0.3.0")
		for _, key := range streams {
			c.runs(ctx, key, "runnel:0.3.0")
		}
	}, SpecTimeout(suite.Timeout))
})

func startFewNamespaces(ctx context.Context) *fewNamespaces {
	GinkgoHelper()
	bin, err := platform.Programs(ctx)
	Expect(err).NotTo(HaveOccurred())
	started, err := platform.Start(ctx, platform.Options{Bin: bin})
	Expect(err).NotTo(HaveOccurred())
	c := &fewNamespaces{started}
	DeferCleanup(func(ctx SpecContext) {
		if CurrentSpecReport().Failed() {
			suite.Keep("log of the operators", c.log(ctx))
		}
		Expect(c.Stop()).To(Succeed())
	})
	for _, name := range []string{"team-a", "team-b", "team-c"} {
		Expect(c.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
		}})).To(Succeed())
	}
	Expect(c.Sandbox.Install(ctx, filepath.Join(platform.Root(), "config", "namespaced"))).To(Succeed())
	Expect(c.Client.Create(ctx, shop("team-c"))).To(Succeed())
	return c
}

// upgradeOperator gives the operator another image for hubs, and further flags.
func (c *fewNamespaces) upgradeOperator(ctx context.Context, image string, flags ...string) {
	GinkgoHelper()
	operator := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "runnel-operator"}}
	c.update(ctx, operator, func() {
		container := &operator.Spec.Template.Spec.Containers[0]
		Expect(container.Args[0]).To(HavePrefix("--hub-image="))
		container.Args[0] = "--hub-image=" + image
		container.Args = append(container.Args, flags...)
	})
}

// update reads an object, changes it and writes it, again when somebody else wrote it meanwhile, such as its status.
func (c *fewNamespaces) update(ctx context.Context, o client.Object, change func()) {
	GinkgoHelper()
	Expect(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if err := c.Client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		change()
		return c.Client.Update(ctx, o)
	})).To(Succeed())
}

// stream makes a stream and waits until it is Ready.
func (c *fewNamespaces) stream(ctx context.Context, namespace string, policy v1alpha1.ImagePolicy) types.NamespacedName {
	GinkgoHelper()
	o := shop(namespace)
	o.Spec.ImagePolicy = policy
	Expect(c.Client.Create(ctx, o)).To(Succeed())
	c.ready(ctx, client.ObjectKeyFromObject(o))
	return client.ObjectKeyFromObject(o)
}

func (c *fewNamespaces) ready(ctx context.Context, key types.NamespacedName) {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, suite.Patience)
	defer cancel()
	_, err := c.Ready(ctx, key)
	Expect(err).NotTo(HaveOccurred())
}

func (c *fewNamespaces) get(ctx context.Context, key types.NamespacedName) *v1alpha1.EventStream {
	GinkgoHelper()
	s := &v1alpha1.EventStream{}
	Expect(c.Client.Get(ctx, key, s)).To(Succeed())
	return s
}

// pods are the hub's, by name and UID.
func (c *fewNamespaces) pods(ctx context.Context, key types.NamespacedName) map[string]types.UID {
	GinkgoHelper()
	list := &corev1.PodList{}
	Expect(c.Client.List(ctx, list, client.InNamespace(key.Namespace), client.MatchingLabels(render.Selector(key.Name)))).To(Succeed())
	uids := map[string]types.UID{}
	for i := range list.Items {
		uids[list.Items[i].Name] = list.Items[i].UID
	}
	return uids
}

// runs waits until the stream's hub has the image, and is Ready with it.
func (c *fewNamespaces) runs(ctx context.Context, key types.NamespacedName, image string) {
	GinkgoHelper()
	Eventually(func() string { return c.get(ctx, key).Status.Image }).Should(Equal(image))
	c.ready(ctx, key)
	d := &appsv1.Deployment{}
	Expect(c.Client.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: render.HubName(key.Name)}, d)).To(Succeed())
	Expect(d.Spec.Template.Spec.Containers[0].Image).To(Equal(image))
	Expect(d.Status.UpdatedReplicas).To(BeEquivalentTo(1))
}

// log is what the operators of now said.
func (c *fewNamespaces) log(ctx context.Context) string {
	pods := &corev1.PodList{}
	if err := c.Client.List(ctx, pods, client.InNamespace(operatorNamespace)); err != nil {
		return err.Error()
	}
	text := ""
	for _, pod := range pods.Items {
		log, err := c.Node.PodLogs(ctx, pod.Namespace, pod.Name, "", &corev1.PodLogOptions{})
		if err != nil {
			return err.Error()
		}
		b, err := io.ReadAll(log)
		_ = log.Close() // it was read
		if err != nil {
			return err.Error()
		}
		text += string(b)
	}
	return text
}
