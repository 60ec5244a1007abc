package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

func TestStatusFields(t *testing.T) {
	g := NewWithT(t)
	v := serving()
	s := v.status(metav1.Now())
	g.Expect(s.Address).To(Equal(&v1alpha1.Address{URL: "http://shop-publish.team-a.svc.cluster.local", Audience: "runnel.dev/team-a/shop"}))
	g.Expect(s.SubscribeURL).To(Equal("http://shop-subscribe.team-a.svc.cluster.local"))
	g.Expect([]int32{s.Replicas, s.ReadyReplicas}).To(Equal([]int32{1, 1}))
	g.Expect(s.Image).To(Equal("runnel:0.1.0"))
	g.Expect(s.ConfigHash).To(Equal(wanted))

	v.tlsSecret = "shop-tls"
	encrypted := v.status(metav1.Now())
	g.Expect(encrypted.Address.URL).To(Equal("https://shop-publish.team-a.svc.cluster.local"))
	g.Expect(encrypted.SubscribeURL).To(Equal("https://shop-subscribe.team-a.svc.cluster.local"))

	v.applied = false
	g.Expect(v.status(metav1.Now()).Address).To(BeNil(), "the Service of that name may be somebody else's")
	v.stream.Status = s
	g.Expect(v.status(metav1.Now()).Address).To(Equal(s.Address), "it was the stream's own before")
}

func TestReplicasAreThoseThatStay(t *testing.T) {
	g := NewWithT(t)
	v := serving()
	surging(v)
	s := v.status(metav1.Now())
	g.Expect([]int32{s.Replicas, s.ReadyReplicas}).To(Equal([]int32{2, 1}))
	g.Expect(meta.FindStatusCondition(s.Conditions, "Available").Message).To(Equal("1 of 1 hubs serve"))
	v.hubs[1].ready = true
	s = v.status(metav1.Now())
	g.Expect(meta.FindStatusCondition(s.Conditions, "Available").Message).To(Equal("1 of 1 hubs serve"))
	v.hubs[0].leaving = true
	s = v.status(metav1.Now())
	g.Expect([]int32{s.Replicas, s.ReadyReplicas}).To(Equal([]int32{1, 1}))
}

func TestAHubThatNoticesChangesLateIsNamed(t *testing.T) {
	g := NewWithT(t)
	v := serving()
	v.hubs[0].late = "too many open files"
	loaded := meta.FindStatusCondition(v.status(metav1.Now()).Conditions, "ConfigLoaded")
	g.Expect(loaded.Status).To(Equal(metav1.ConditionTrue))
	g.Expect(loaded.Message).To(ContainSubstring("noticed late by shop-hub-1: too many open files"))
}

func TestManyMissingThingsAreNotAllListed(t *testing.T) {
	g := NewWithT(t)
	v := serving()
	for i := range 64 {
		v.hubs[0].missing = append(v.hubs[0].missing, fmt.Sprintf("Secret %s%02d, key token", strings.Repeat("a", 250), i))
	}
	c := meta.FindStatusCondition(v.status(metav1.Now()).Conditions, v1alpha1.ConditionConfigLoaded)
	g.Expect(len(c.Message)).To(BeNumerically("<", 32<<10), "a condition's message holds no more")
	g.Expect(c.Message).To(ContainSubstring("and 56 more"))
}

func TestALongMessageIsCut(t *testing.T) {
	g := NewWithT(t)
	v := serving()
	v.hubs[0].refusal, v.hubs[0].configHash = strings.Repeat("ü", 32<<10), old
	for _, c := range v.status(metav1.Now()).Conditions {
		g.Expect(len(c.Message)).To(BeNumerically("<=", 32<<10), "the API server would refuse the whole status, again and again")
	}
}

func TestAnUnchangedWorldGivesTheSameStatus(t *testing.T) {
	g := NewWithT(t)
	v := serving()
	v.stream.Status = v.status(metav1.NewTime(time.Unix(1000, 0)))
	s := v.status(metav1.NewTime(time.Unix(2000, 0)))
	g.Expect(sameStatus(&v.stream.Status, &s)).To(BeTrue())
	v.hubs[0].ready = false
	s = v.status(metav1.NewTime(time.Unix(2000, 0)))
	g.Expect(sameStatus(&v.stream.Status, &s)).To(BeFalse())
	g.Expect(meta.FindStatusCondition(s.Conditions, "Ready").LastTransitionTime.Unix()).To(BeEquivalentTo(2000))
	g.Expect(meta.FindStatusCondition(s.Conditions, "Accepted").LastTransitionTime.Unix()).To(BeEquivalentTo(1000))
}
