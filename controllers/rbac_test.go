package controllers

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

func TestTheOperatorHasNoMoreRightsThanItNeeds(t *testing.T) {
	g := NewWithT(t)
	b, err := os.ReadFile(filepath.FromSlash("../config/rbac/role.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	role := &rbacv1.ClusterRole{}
	g.Expect(yaml.UnmarshalStrict(b, role)).To(Succeed())
	g.Expect(role.Rules).NotTo(BeEmpty())
	for _, rule := range role.Rules {
		for _, words := range [][]string{rule.APIGroups, rule.Resources, rule.Verbs, rule.NonResourceURLs} {
			g.Expect(words).NotTo(ContainElement("*"))
		}
		g.Expect(rule.Resources).NotTo(ContainElement("secrets"))
		g.Expect(rule.APIGroups).NotTo(ContainElement(rbacv1.GroupName))
		for _, resource := range rule.Resources {
			switch resource {
			case "pods":
				g.Expect(rule.Verbs).To(ConsistOf("get", "list", "watch"), "whoever may patch pods may run anything as anybody")
			case "events":
				g.Expect(rule.Verbs).To(ConsistOf("create"), "what others tell is theirs")
			case "eventstreams":
				g.Expect(rule.Verbs).To(ConsistOf("get", "list", "watch"), "a spec is its author's")
			}
			g.Expect(slices.Contains([]string{"pods/exec", "pods/ephemeralcontainers", "serviceaccounts/token", "nodes"}, resource)).To(BeFalse(), resource)
		}
	}
}
