package rules_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/rules"
)

// ready is a stream whose status keeps every rule.
func ready() *v1alpha1.EventStream {
	s := &v1alpha1.EventStream{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop", UID: "u-1", Generation: 2, ResourceVersion: "7"}}
	s.Status = v1alpha1.EventStreamStatus{
		ObservedGeneration: 2, Replicas: 1, ReadyReplicas: 1, Image: "runnel:0.1.0",
		Address: &v1alpha1.Address{URL: "http://a"}, SubscribeURL: "http://b",
	}
	for _, kind := range []string{"Accepted", "Available", "ConfigLoaded", "Ready"} {
		s.Status.Conditions = append(s.Status.Conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: kind, Message: "it is", ObservedGeneration: 2, LastTransitionTime: metav1.Unix(1000, 0),
		})
	}
	return s
}

func add(s *v1alpha1.EventStream, kind string, status metav1.ConditionStatus) {
	c := s.Status.Conditions[0]
	c.Type, c.Status = kind, status
	s.Status.Conditions = append(s.Status.Conditions, c)
}

func TestEachRuleIsSeenBroken(t *testing.T) {
	for rule, breaks := range map[string]func(*v1alpha1.EventStream){
		"is of the future":            func(s *v1alpha1.EventStream) { s.Generation = 1 },
		"replicas are ready":          func(s *v1alpha1.EventStream) { s.Status.ReadyReplicas = 2 },
		"conditions of no generation": func(s *v1alpha1.EventStream) { s.Status.ObservedGeneration = 0 },
		"is there twice":              func(s *v1alpha1.EventStream) { add(s, "Accepted", "True") },
		"no word in CamelCase":        func(s *v1alpha1.EventStream) { s.Status.Conditions[0].Reason = "not one" },
		"has no message":              func(s *v1alpha1.EventStream) { s.Status.Conditions[0].Message = "" },
		"a message of 32769 bytes":    func(s *v1alpha1.EventStream) { s.Status.Conditions[0].Message = string(make([]byte, 32769)) },
		"has no time":                 func(s *v1alpha1.EventStream) { s.Status.Conditions[0].LastTransitionTime = metav1.Time{} },
		"is of generation 1":          func(s *v1alpha1.EventStream) { s.Status.Conditions[0].ObservedGeneration = 1 },
		`is "Maybe"`:                  func(s *v1alpha1.EventStream) { s.Status.Conditions[0].Status = "Maybe" },
		"ConfigLoaded is missing":     func(s *v1alpha1.EventStream) { s.Status.Conditions[2].Type = "Other" },
		"nobody has said":             func(s *v1alpha1.EventStream) { add(s, "Other", "True") },
		"there and False":             func(s *v1alpha1.EventStream) { add(s, "Stalled", "False") },
		"at once": func(s *v1alpha1.EventStream) {
			add(s, "Stalled", "True")
			add(s, "Reconciling", "True")
		},
		"Ready, and Reconciling":      func(s *v1alpha1.EventStream) { add(s, "Reconciling", "True") },
		"not Accepted":                func(s *v1alpha1.EventStream) { s.Status.Conditions[0].Status = "False" },
		"not Available":               func(s *v1alpha1.EventStream) { s.Status.Conditions[1].Status = "Unknown" },
		"configuration is not loaded": func(s *v1alpha1.EventStream) { s.Status.Conditions[2].Status = "False" },
		"without a hub":               func(s *v1alpha1.EventStream) { s.Status.ReadyReplicas = 0 },
		"says not where":              func(s *v1alpha1.EventStream) { s.Status.Address = nil },
	} {
		t.Run(rule, func(t *testing.T) {
			g := NewWithT(t)
			s := ready()
			g.Expect(rules.Broken(s)).To(BeEmpty())
			breaks(s)
			g.Expect(rules.Broken(s)).To(ContainElement(ContainSubstring(rule)))
		})
	}
}

func TestEachRuleOfAChangeIsSeenBroken(t *testing.T) {
	later := metav1.NewTime(time.Unix(2000, 0))
	for rule, breaks := range map[string]func(*v1alpha1.EventStream){
		"from 2 back to 1":         func(s *v1alpha1.EventStream) { s.Status.ObservedGeneration = 1 },
		"image runnel:0.1.0 is":    func(s *v1alpha1.EventStream) { s.Status.Image = "" },
		"has another time":         func(s *v1alpha1.EventStream) { s.Status.Conditions[0].LastTransitionTime = later },
		"went back in time":        func(s *v1alpha1.EventStream) { s.Status.Conditions[0].LastTransitionTime = metav1.Unix(1, 0) },
		"written and nothing":      func(s *v1alpha1.EventStream) { s.ResourceVersion = "8" },
		"Ready went back in time":  func(s *v1alpha1.EventStream) { s.Status.Conditions[3].LastTransitionTime = metav1.Unix(1, 0) },
		"Ready has another time":   func(s *v1alpha1.EventStream) { s.Status.Conditions[3].LastTransitionTime = later },
		"observedGeneration went ": func(s *v1alpha1.EventStream) { s.Status.ObservedGeneration = 0 },
	} {
		t.Run(rule, func(t *testing.T) {
			g := NewWithT(t)
			after := ready()
			g.Expect(rules.BrokenBetween(ready(), after)).To(BeEmpty())
			breaks(after)
			g.Expect(rules.BrokenBetween(ready(), after)).To(ContainElement(ContainSubstring(rule)))
		})
	}
	g := NewWithT(t)
	another := ready()
	another.UID, another.Status.ObservedGeneration = "u-2", 1
	g.Expect(rules.BrokenBetween(ready(), another)).To(BeEmpty(), "another stream of the same name")
}

func TestAStreamWithoutAStatusBreaksNoRule(t *testing.T) {
	s := ready()
	s.Status = v1alpha1.EventStreamStatus{}
	NewWithT(t).Expect(rules.Broken(s)).To(BeEmpty())
}
