package install_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	psaapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/runnel-dev/runnel/test/install"
)

const root = "../.."

// installation is one way to install Runnel.
type installation struct {
	objects func() (install.Objects, error)
	// namespaces that the operator works in; none is all of them.
	namespaces []string
}

func kustomize(dir string) func() (install.Objects, error) {
	return func() (install.Objects, error) { return install.Kustomize(filepath.Join(root, "config", dir)) }
}

func chart(values map[string]any) func() (install.Objects, error) {
	return func() (install.Objects, error) { return install.Chart(filepath.Join(root, "charts", "runnel"), values) }
}

var installations = map[string]installation{
	"kustomize":                      {kustomize("default"), nil},
	"kustomize, for some namespaces": {kustomize("namespaced"), []string{"team-a", "team-b"}},
	"Helm":                           {chart(nil), nil},
	"Helm, for some namespaces":      {chart(map[string]any{"namespaces": []any{"team-a", "team-b"}}), []string{"team-a", "team-b"}},
	"Helm, with everything": {chart(map[string]any{
		"namespaces": []any{"team-a"},
		"metrics":    map[string]any{"serviceMonitor": map[string]any{"enabled": true}, "networkPolicy": map[string]any{"enabled": true}},
	}), []string{"team-a"}},
}

func each(t *testing.T, check func(g Gomega, i installation, objects install.Objects)) {
	for name, i := range installations {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			objects, err := i.objects()
			g.Expect(err).NotTo(HaveOccurred())
			check(g, i, objects)
		})
	}
}

// operator is the operator's Deployment.
func operator(g Gomega, objects install.Objects) appsv1.Deployment {
	deployments, err := install.Of[appsv1.Deployment](objects, "Deployment")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(deployments).To(HaveLen(1))
	return deployments[0]
}

func rights(g Gomega, objects install.Objects) install.Rights {
	r, err := install.RightsOf(objects, operator(g, objects).Spec.Template.Spec.ServiceAccountName)
	g.Expect(err).NotTo(HaveOccurred())
	return r
}

// generated are the rules that the markers in the code ask for.
func generated(g Gomega, file string) []rbacv1.PolicyRule {
	b, err := os.ReadFile(filepath.Join(root, "config", "rbac", file))
	g.Expect(err).NotTo(HaveOccurred())
	role := rbacv1.ClusterRole{}
	g.Expect(yaml.UnmarshalStrict(b, &role)).To(Succeed())
	g.Expect(role.Rules).NotTo(BeEmpty())
	return role.Rules
}

// Rules beside the generated ones.
var (
	metricsReview = []rbacv1.PolicyRule{
		{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
		{APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},
	}
	lease = []rbacv1.PolicyRule{
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{"runnel-operator"}, Verbs: []string{"get", "update"}},
		{APIGroups: []string{"", "events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
	}
)

func TestTheOperatorHasTheRightsOfItsCode(t *testing.T) {
	each(t, func(g Gomega, i installation, objects install.Objects) {
		work, everywhere := generated(g, "role.yaml"), slices.Concat(generated(g, "issuer_role.yaml"), metricsReview)
		want := map[string][]rbacv1.PolicyRule{install.Namespace: lease, "": everywhere}
		for _, namespace := range i.namespaces {
			want[namespace] = work
		}
		if len(i.namespaces) == 0 {
			want[""] = slices.Concat(work, everywhere)
		}
		got := rights(g, objects)
		g.Expect(got).To(HaveLen(len(want)))
		for namespace := range want {
			g.Expect(got[namespace]).To(ConsistOf(want[namespace]), "namespace %q", namespace)
		}
		for _, arg := range operator(g, objects).Spec.Template.Spec.Containers[0].Args {
			if namespaces, ok := strings.CutPrefix(arg, "--namespaces="); ok {
				g.Expect(strings.Split(namespaces, ",")).To(Equal(i.namespaces), "it works where it may")
				i.namespaces = nil
			}
		}
		g.Expect(i.namespaces).To(BeEmpty(), "an operator that would watch every namespace")
	})
}

// TestNoRightIsTooMuch goes through every role, those for people included.
func TestNoRightIsTooMuch(t *testing.T) {
	each(t, func(g Gomega, _ installation, objects install.Objects) {
		var rules []rbacv1.PolicyRule
		clusterRoles, err := install.Of[rbacv1.ClusterRole](objects, "ClusterRole")
		g.Expect(err).NotTo(HaveOccurred())
		for _, r := range clusterRoles {
			rules = append(rules, r.Rules...)
		}
		roles, err := install.Of[rbacv1.Role](objects, "Role")
		g.Expect(err).NotTo(HaveOccurred())
		for _, r := range roles {
			rules = append(rules, r.Rules...)
		}
		for _, rule := range rules {
			for _, words := range [][]string{rule.APIGroups, rule.Resources, rule.Verbs, rule.NonResourceURLs} {
				g.Expect(words).NotTo(ContainElement(ContainSubstring("*")))
			}
			g.Expect(rule.APIGroups).NotTo(ContainElement(rbacv1.GroupName))
			g.Expect(rule.Verbs).NotTo(ContainElement(BeElementOf("impersonate", "bind", "escalate")))
			for _, resource := range rule.Resources {
				g.Expect(resource).NotTo(BeElementOf("secrets", "serviceaccounts/token", "pods/exec", "pods/ephemeralcontainers", "nodes"))
				if resource == "pods" {
					g.Expect(rule.Verbs).To(ConsistOf("get", "list", "watch"), "whoever may patch pods may run anything as anybody")
				}
			}
		}
	})
}

func TestEveryPodPassesRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	restricted := psaapi.LevelVersion{Level: psaapi.LevelRestricted, Version: psaapi.LatestVersion()}
	check := func(g Gomega, template corev1.PodTemplateSpec) {
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec))
		g.Expect(result.Allowed).To(BeTrue(), result.ForbiddenDetail())
		for _, c := range template.Spec.Containers {
			g.Expect(c.SecurityContext.ReadOnlyRootFilesystem).To(HaveValue(BeTrue()), "beyond what the level asks for")
		}
	}
	each(t, func(g Gomega, _ installation, objects install.Objects) {
		check(g, operator(g, objects).Spec.Template)
		namespaces, err := install.Of[corev1.Namespace](objects, "Namespace")
		g.Expect(err).NotTo(HaveOccurred())
		for _, ns := range namespaces { // Helm makes none
			g.Expect(ns.Labels).To(HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted"))
		}
	})
	t.Run("sample of a publisher", func(t *testing.T) {
		g := NewWithT(t)
		b, err := os.ReadFile(filepath.Join(root, "config", "samples", "publisher.yaml"))
		g.Expect(err).NotTo(HaveOccurred())
		documents := strings.Split(string(b), "\n---\n")
		d := appsv1.Deployment{}
		g.Expect(yaml.UnmarshalStrict([]byte(documents[len(documents)-1]), &d)).To(Succeed())
		check(g, d.Spec.Template)
	})
	hubs, err := filepath.Glob(filepath.Join(root, "controllers", "render", "testdata", "*", "Deployment-*.yaml"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(hubs).NotTo(BeEmpty())
	for _, file := range hubs {
		t.Run("hub "+filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			g := NewWithT(t)
			b, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			d := appsv1.Deployment{}
			g.Expect(yaml.UnmarshalStrict(b, &d)).To(Succeed())
			check(g, d.Spec.Template)
		})
	}
}

// TestNoManifestChoosesUsersOrGroups holds that OpenShift's restricted-v2, which assigns them and refuses any other choice, admits
// every pod. What the user is, the image says.
func TestNoManifestChoosesUsersOrGroups(t *testing.T) {
	for _, i := range installations {
		objects, err := i.objects()
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for _, o := range objects {
			NewWithT(t).Expect(chosen(o.Object)).To(BeEmpty(), "%s %s", o.GetKind(), o.GetName())
		}
	}
	var files []string
	for _, pattern := range []string{"controllers/render/testdata/*/*.yaml", "controllers/render/testdata/released/*/*.yaml", "config/samples/*.yaml"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(found).NotTo(BeEmpty(), pattern)
		files = append(files, found...)
	}
	for _, file := range files {
		t.Run(strings.TrimPrefix(file, root+"/"), func(t *testing.T) {
			g := NewWithT(t)
			b, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			for _, document := range strings.Split(string(b), "\n---\n") {
				var object any
				g.Expect(yaml.Unmarshal([]byte(document), &object)).To(Succeed())
				g.Expect(chosen(object)).To(BeEmpty())
			}
		})
	}
}

// chosen returns the names of the fields in a value, however deep, that choose users or groups.
func chosen(value any) (names []string) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			// A definition's schema has no such field either: spec.template chooses none.
			if slices.Contains([]string{"runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"}, name) {
				names = append(names, name)
			}
			names = append(names, chosen(inner)...)
		}
	case []any:
		for _, inner := range v {
			names = append(names, chosen(inner)...)
		}
	}
	return names
}

// TestTheImageRunsAsANumber holds that the kubelet can tell, where the cluster chooses no user, that the image's is not root.
func TestTheImageRunsAsANumber(t *testing.T) {
	g := NewWithT(t)
	b, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	g.Expect(err).NotTo(HaveOccurred())
	user := ""
	for line := range strings.Lines(string(b)) {
		switch words := strings.Fields(line); {
		case len(words) > 0 && words[0] == "FROM":
			user = "" // a stage has the user of its base, which is root in scratch
		case len(words) == 2 && words[0] == "USER":
			user = words[1]
		}
	}
	g.Expect(user).To(MatchRegexp(`^[1-9][0-9]*(:[1-9][0-9]*)?$`))
}

func TestEveryObjectIsWhereItShouldBe(t *testing.T) {
	each(t, func(g Gomega, i installation, objects install.Objects) {
		g.Expect(objects).NotTo(BeEmpty())
		seen := map[string]bool{}
		for _, o := range objects {
			name := o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
			g.Expect(seen).NotTo(HaveKey(name), "twice")
			seen[name] = true
			if o.GetNamespace() != "" {
				g.Expect(append(slices.Clone(i.namespaces), install.Namespace)).To(ContainElement(o.GetNamespace()), name)
			}
		}
	})
}

func TestTheChartPassesItsValuesOn(t *testing.T) {
	g := NewWithT(t)
	objects, err := chart(map[string]any{"hubImage": "runnel:9", "imagePolicy": "FollowOperator", "maxConcurrentUpgrades": 2, "metrics": map[string]any{"streams": false}})()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(operator(g, objects).Spec.Template.Spec.Containers[0].Args).To(ContainElements(
		"--hub-image=runnel:9", "--image-policy=FollowOperator", "--max-concurrent-upgrades=2", "--stream-metrics=false"))
	for name, wrong := range map[string]map[string]any{
		"imagePolicy":           {"imagePolicy": "Never"},
		"maxConcurrentUpgrades": {"maxConcurrentUpgrades": 0},
		"namespaces":            {"namespaces": []any{"Team"}},
	} {
		_, err := chart(wrong)()
		g.Expect(err).To(MatchError(ContainSubstring(name)))
	}
}

// TestMetricsAreForThoseWhoMay holds the flags; that they work is held where the operator runs.
func TestMetricsAreForThoseWhoMay(t *testing.T) {
	each(t, func(g Gomega, _ installation, objects install.Objects) {
		args := operator(g, objects).Spec.Template.Spec.Containers[0].Args
		g.Expect(args).To(ContainElement("--metrics-bind-address=:8443"))
		g.Expect(args).NotTo(ContainElement(HavePrefix("--metrics-insecure")))
		g.Expect(args).To(ContainElement("--leader-elect"))
	})
}
