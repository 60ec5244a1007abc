package apiserver_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var _ = Describe("RBAC", func() {
	var ns string
	var user kubernetes.Interface
	BeforeEach(func(ctx SpecContext) {
		ns = newNamespace(ctx, nil)
		Expect(admin.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "bob"}})).To(Succeed())
		cfg, err := server.ServiceAccountConfig(ctx, ns, "bob")
		Expect(err).NotTo(HaveOccurred())
		user = kubernetes.NewForConfigOrDie(cfg)
	})
	bind := func(ctx SpecContext, kind, role string) {
		Expect(admin.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "bind-"},
			RoleRef:    rbacv1.RoleRef{Kind: kind, Name: role},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: "bob", Namespace: ns}},
		})).To(Succeed())
	}
	listPods := func(ctx SpecContext) error {
		_, err := user.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
		return err
	}

	It("refuses what no role allows", func(ctx SpecContext) {
		Expect(apierrors.IsForbidden(listPods(ctx))).To(BeTrue())
		_, err := user.Discovery().ServerGroups()
		Expect(err).NotTo(HaveOccurred(), "everybody who is known may discover")
	})

	It("does not take a stranger for the administrator", func(ctx SpecContext) {
		cfg := rest.AnonymousClientConfig(server.Config)
		_, err := kubernetes.NewForConfigOrDie(cfg).CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		_, err = kubernetes.NewForConfigOrDie(cfg).CoreV1().RESTClient().Get().AbsPath("/healthz").DoRaw(ctx)
		Expect(err).NotTo(HaveOccurred())
		cfg.BearerToken = "guessed"
		_, err = kubernetes.NewForConfigOrDie(cfg).CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
		Expect(apierrors.IsUnauthorized(err)).To(BeTrue(), "%v", err)
	})

	It("allows by names, subresources and namespaces", func(ctx SpecContext) {
		Expect(admin.Create(ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "one"}, Rules: []rbacv1.PolicyRule{
			{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"kube-root-ca.crt"}},
			{Verbs: []string{"*"}, APIGroups: []string{"apps"}, Resources: []string{"*/scale"}},
		}})).To(Succeed())
		bind(ctx, "Role", "one")
		get := func(name string) error {
			_, err := user.CoreV1().ConfigMaps(ns).Get(ctx, name, metav1.GetOptions{})
			return err
		}
		Eventually(func() error { return get("kube-root-ca.crt") }).Should(Succeed())
		Expect(apierrors.IsForbidden(get("other"))).To(BeTrue())
		_, err := user.CoreV1().ConfigMaps("default").Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		Expect(apierrors.IsForbidden(err)).To(BeTrue())
		_, err = user.AppsV1().Deployments(ns).GetScale(ctx, "none", metav1.GetOptions{})
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "%v", err)
		_, err = user.AppsV1().Deployments(ns).Get(ctx, "none", metav1.GetOptions{})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
	})

	It("sums up aggregated roles", func(ctx SpecContext) {
		bind(ctx, "ClusterRole", "view")
		Eventually(func() error { return listPods(ctx) }).Should(Succeed())
		_, err := user.CoreV1().Secrets(ns).List(ctx, metav1.ListOptions{})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "view shows no Secrets")

		widgets := func() error {
			return user.CoreV1().RESTClient().Get().AbsPath("/apis/test.runnel.dev/v1/namespaces/" + ns + "/widgets").Do(ctx).Error()
		}
		Expect(apierrors.IsForbidden(widgets())).To(BeTrue())
		role := &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: "widgets-view-" + ns, Labels: map[string]string{"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
			Rules:      []rbacv1.PolicyRule{{Verbs: []string{"list"}, APIGroups: []string{"test.runnel.dev"}, Resources: []string{"widgets"}}},
		}
		Expect(admin.Create(ctx, role)).To(Succeed())
		Eventually(widgets).Should(Succeed())
		Expect(admin.Delete(ctx, role)).To(Succeed())
		Eventually(func() bool { return apierrors.IsForbidden(widgets()) }).Should(BeTrue())
	})

	It("answers reviews of access", func(ctx SpecContext) {
		bind(ctx, "ClusterRole", "edit")
		create := &authorizationv1.ResourceAttributes{Namespace: ns, Verb: "create", Group: "apps", Resource: "deployments"}
		Eventually(func(g Gomega) {
			self, err := user.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
				Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: create},
			}, metav1.CreateOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(self.Status.Allowed).To(BeTrue())
		}).Should(Succeed())
		spec := authorizationv1.SubjectAccessReviewSpec{User: "system:serviceaccount:" + ns + ":bob", ResourceAttributes: create}
		subject, err := typed.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(subject.Status.Allowed).To(BeTrue())
		Expect(subject.Status.Reason).To(ContainSubstring("RoleBinding"))
		local, err := typed.AuthorizationV1().LocalSubjectAccessReviews(ns).Create(ctx, &authorizationv1.LocalSubjectAccessReview{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns}, Spec: spec,
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(local.Status.Allowed).To(BeTrue())
		_, err = typed.AuthorizationV1().LocalSubjectAccessReviews("default").Create(ctx, &authorizationv1.LocalSubjectAccessReview{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default"}, Spec: spec,
		}, metav1.CreateOptions{})
		Expect(apierrors.IsBadRequest(err)).To(BeTrue(), "%v", err)
		spec.User = "somebody"
		subject, err = typed.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(subject.Status.Allowed).To(BeFalse())
		all, err := user.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
			Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: ns},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(all.Status.Incomplete).To(BeFalse())
		Expect(all.Status.ResourceRules).To(ContainElement(HaveField("Resources", ContainElement("deployments/scale"))))
	})

	It("keeps a binding's role", func(ctx SpecContext) {
		bind(ctx, "ClusterRole", "view")
		var list rbacv1.RoleBindingList
		Expect(admin.List(ctx, &list, client.InNamespace(ns))).To(Succeed())
		b := list.Items[0]
		b.RoleRef.Name = "cluster-admin"
		Expect(admin.Update(ctx, &b)).To(MatchError(ContainSubstring("delete the binding and make a new one")))
	})
})
