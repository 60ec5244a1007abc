package workload

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func sized(name string, size, available int32) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       appsv1.ReplicaSetSpec{Replicas: &size},
		Status:     appsv1.ReplicaSetStatus{Replicas: size, AvailableReplicas: available},
	}
}

func rollout(want int32, surge, unavailable string, current *appsv1.ReplicaSet, old ...*appsv1.ReplicaSet) *scope {
	d := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: &want, Strategy: appsv1.DeploymentStrategy{
		Type: appsv1.RollingUpdateDeploymentStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDeployment{
			MaxSurge: new(intstr.Parse(surge)), MaxUnavailable: new(intstr.Parse(unavailable)),
		},
	}}}
	return &scope{d: d, current: current, old: old}
}

func moves(ms []move) []string {
	out := []string{}
	for _, m := range ms {
		out = append(out, fmt.Sprintf("%s=%d", m.rs.Name, m.to))
	}
	return out
}

func TestFence(t *testing.T) {
	for _, c := range []struct {
		want                   int32
		surge, unavailable     string
		wantSurge, wantUnavail int32
	}{
		{4, "25%", "25%", 1, 1},
		{3, "25%", "25%", 1, 0}, // up and down
		{10, "0", "0", 0, 1},    // something must be able to move
		{2, "1", "5", 1, 2},
		{0, "50%", "50%", 0, 0},
	} {
		surge, unavailable := fence(rollout(c.want, c.surge, c.unavailable, nil).d)
		NewWithT(t).Expect([]int32{surge, unavailable}).To(Equal([]int32{c.wantSurge, c.wantUnavail}), "%+v", c)
	}
}

func TestRollUp(t *testing.T) {
	for name, c := range map[string]struct {
		s    *scope
		want []string
	}{
		"by the surge":                 {rollout(3, "1", "0", sized("new", 0, 0), sized("old", 3, 3)), []string{"new=1"}},
		"not above the surge":          {rollout(3, "1", "0", sized("new", 1, 0), sized("old", 3, 3)), nil},
		"into what old ones left":      {rollout(3, "0", "1", sized("new", 0, 0), sized("old", 2, 2)), []string{"new=1"}},
		"down to what is wanted":       {rollout(2, "1", "0", sized("new", 5, 5)), []string{"new=2"}},
		"not more than wanted":         {rollout(2, "5", "0", sized("new", 0, 0), sized("old", 2, 2)), []string{"new=2"}},
		"nothing when it is complete":  {rollout(2, "1", "0", sized("new", 2, 2), sized("old", 1, 1)), nil},
		"all at once without old ones": {rollout(4, "25%", "25%", sized("new", 0, 0)), []string{"new=4"}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(moves(rollUp(c.s))).To(ConsistOf(c.want))
		})
	}
}

func TestRollDown(t *testing.T) {
	for name, c := range map[string]struct {
		s    *scope
		want []string
	}{
		"nothing while the new is not available": {rollout(3, "1", "0", sized("new", 1, 0), sized("old", 3, 3)), nil},
		"one for one that is available":          {rollout(3, "1", "0", sized("new", 1, 1), sized("old", 3, 3)), []string{"old=2"}},
		"as many as may be unavailable":          {rollout(4, "0", "2", sized("new", 0, 0), sized("old", 4, 4)), []string{"old=2"}},
		"broken ones first":                      {rollout(3, "1", "0", sized("new", 1, 1), sized("a", 2, 2), sized("b", 1, 0)), []string{"b=0"}},
		"broken ones only as far as new ones are there": {
			rollout(3, "2", "0", sized("new", 2, 0), sized("old", 3, 0)), nil,
		},
		"the oldest first": {rollout(2, "2", "0", sized("new", 2, 2), sized("a", 1, 1), sized("b", 1, 1)), []string{"a=0", "b=0"}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(moves(rollDown(c.s))).To(ConsistOf(c.want))
		})
	}
}

func TestProportionalSpreadsAChangeOfSize(t *testing.T) {
	g := NewWithT(t)
	annotated := func(rs *appsv1.ReplicaSet, desired, most string) *appsv1.ReplicaSet {
		rs.Annotations = map[string]string{desiredAnnotation: desired, maxAnnotation: most}
		return rs
	}
	s := rollout(20, "10%", "0", annotated(sized("new", 3, 3), "10", "11"), annotated(sized("old", 8, 8), "10", "11"))
	g.Expect(resized(s)).To(BeTrue())
	g.Expect(moves(proportional(s))).To(ConsistOf("old=16", "new=6"))
	s = rollout(5, "20%", "0", annotated(sized("new", 3, 3), "10", "11"), annotated(sized("old", 8, 8), "10", "11"))
	g.Expect(moves(proportional(s))).To(ConsistOf("old=4", "new=2"))
	s = rollout(7, "1", "0", annotated(sized("new", 4, 4), "4", "5"))
	g.Expect(moves(proportional(s))).To(ConsistOf("new=7"))
	s = rollout(4, "1", "0", annotated(sized("new", 4, 4), "4", "5"))
	g.Expect(resized(s)).To(BeFalse())
}
