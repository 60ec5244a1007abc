package controllers

import (
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

// keepsTheRules holds what is true of every status, whatever happened; tests call it after each step.
func keepsTheRules(g Gomega, generation int64, s *v1alpha1.EventStreamStatus) {
	g.Expect(s.ObservedGeneration).To(Equal(generation))
	find := func(kind string) *metav1.Condition { return meta.FindStatusCondition(s.Conditions, kind) }
	for _, kind := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionAvailable, v1alpha1.ConditionConfigLoaded, v1alpha1.ConditionReady} {
		g.Expect(find(kind)).NotTo(BeNil(), "%s is always there", kind)
	}
	for _, c := range s.Conditions {
		g.Expect(c.ObservedGeneration).To(Equal(generation), c.Type)
		g.Expect(c.Reason).NotTo(BeEmpty(), c.Type)
		g.Expect(c.Message).NotTo(BeEmpty(), c.Type)
		g.Expect(c.LastTransitionTime.IsZero()).To(BeFalse(), c.Type)
	}
	reconciling, isStalled := find(v1alpha1.ConditionReconciling), find(v1alpha1.ConditionStalled)
	for _, c := range []*metav1.Condition{reconciling, isStalled} {
		if c != nil {
			g.Expect(c.Status).To(Equal(metav1.ConditionTrue), "%s is there only while true", c.Type)
			g.Expect(find(v1alpha1.ConditionReady).Status).NotTo(Equal(metav1.ConditionTrue), "not Ready while %s", c.Type)
		}
	}
	g.Expect(reconciling == nil || isStalled == nil).To(BeTrue(), "not both Reconciling and Stalled")
	if find(v1alpha1.ConditionReady).Status == metav1.ConditionTrue {
		g.Expect(find(v1alpha1.ConditionAccepted).Status).To(Equal(metav1.ConditionTrue))
		g.Expect(find(v1alpha1.ConditionAvailable).Status).To(Equal(metav1.ConditionTrue))
		g.Expect(find(v1alpha1.ConditionConfigLoaded).Status).NotTo(Equal(metav1.ConditionFalse))
	}
	g.Expect(s.ReadyReplicas).To(BeNumerically("<=", s.Replicas))
}
