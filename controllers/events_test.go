package controllers

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestEventsAreTransitions(t *testing.T) {
	g := NewWithT(t)
	conditions := func(change func(*view)) []metav1.Condition {
		v := serving()
		change(v)
		return v.status(metav1.Now()).Conditions
	}
	same := func(*view) {}
	starting := func(v *view) { v.hubs[0].ready = false }
	failing := func(v *view) { v.hubs = []hub{{failure: "cannot pull image runnel:9"}} }
	reasons := func(ts []transition) []string {
		var out []string
		for _, t := range ts {
			out = append(out, t.kind+" "+t.reason)
		}
		return out
	}
	g.Expect(transitions(conditions(same), conditions(same))).To(BeEmpty())
	g.Expect(transitions(conditions(same), conditions(starting))).To(BeEmpty(), "what passes by itself is no event")
	g.Expect(reasons(transitions(nil, conditions(starting)))).To(Equal([]string{"Normal Accepted"}))
	g.Expect(reasons(transitions(conditions(starting), conditions(same)))).To(Equal([]string{"Normal Available", "Normal ConfigLoaded"}))
	failed := transitions(conditions(starting), conditions(failing))
	g.Expect(reasons(failed)).To(Equal([]string{"Warning Unavailable"}))
	g.Expect(failed[0].message).To(ContainSubstring("runnel:9"))
	g.Expect(transitions(conditions(failing), conditions(failing))).To(BeEmpty())

	stuck := func(v *view) {
		surging(v)
		v.deployment.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse}}
	}
	g.Expect(transitions(conditions(same), conditions(surging))).To(BeEmpty(), "a rollout is no event")
	g.Expect(reasons(transitions(conditions(surging), conditions(stuck)))).To(Equal([]string{"Warning ProgressDeadlineExceeded"}))
	g.Expect(transitions(conditions(stuck), conditions(stuck))).To(BeEmpty())
	g.Expect(transitions(conditions(stuck), conditions(same))).To(BeEmpty())

	long := transitions(nil, []metav1.Condition{{Type: "Accepted", Status: "False", Reason: "Invalid", Message: strings.Repeat("ü", 1000)}})
	g.Expect(len(long[0].message)).To(BeNumerically("<=", noteBytes))
}
