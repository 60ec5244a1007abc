package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/apply"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/controllers/rules"
)

const wanted, old = "c0ffee", "0ld"

// serving is a view of a stream that is as its spec says.
func serving() *view {
	one := int32(1)
	return &view{
		stream: &v1alpha1.EventStream{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop", Generation: 3},
		},
		clusterDomain: "cluster.local",
		applied:       true,
		image:         "runnel:0.1.0",
		configHash:    wanted,
		deployment: &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Generation: 2},
			Spec:       appsv1.DeploymentSpec{Replicas: &one},
			Status:     appsv1.DeploymentStatus{ObservedGeneration: 2, UpdatedReplicas: 1},
		},
		hubs: []hub{{name: "shop-hub-1", ready: true, asked: true, configHash: wanted}},
	}
}

// surging is a view of a stream whose hub serves while the next one starts.
func surging(v *view) {
	v.deployment.Status.Replicas, v.deployment.Status.UpdatedReplicas = 2, 1
	v.hubs = append(v.hubs, hub{name: "shop-hub-2"})
}

func deploymentCondition(kind appsv1.DeploymentConditionType, status corev1.ConditionStatus, message string) func(*view) {
	return func(v *view) {
		v.hubs = nil
		v.deployment.Status.Conditions = []appsv1.DeploymentCondition{{Type: kind, Status: status, Message: message}}
	}
}

func TestStatus(t *testing.T) {
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	for name, c := range map[string]struct {
		change func(*view)
		want   map[string]string // condition -> status/reason
		says   string            // part of Ready's message
	}{
		"it serves": {func(*view) {}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded", "Ready": "True/Ready",
		}, "as its spec says"},
		"it is being made": {func(v *view) { v.deployment, v.hubs = nil, nil }, map[string]string{
			"Accepted": "True/Accepted", "Available": "False/Progressing", "ConfigLoaded": "Unknown/Unknown", "Ready": "False/Progressing",
			"Reconciling": "True/Progressing",
		}, "being made"},
		"it is being started": {func(v *view) { v.hubs[0].ready = false }, map[string]string{
			"Accepted": "True/Accepted", "Available": "False/Progressing", "ConfigLoaded": "Unknown/Unknown", "Ready": "False/Progressing",
			"Reconciling": "True/Progressing",
		}, "being started"},
		"it is being replaced": {func(v *view) { v.deployment.Generation = 3 }, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded", "Ready": "False/Progressing",
			"Reconciling": "True/Progressing",
		}, "being replaced"},
		"an old pod still serves": {func(v *view) { v.deployment.Status.UpdatedReplicas = 0 }, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded", "Ready": "False/Progressing",
			"Reconciling": "True/Progressing",
		}, "being replaced"},
		"the next one has taken over, and the old one is about to be told": {func(v *view) {
			surging(v)
			v.hubs[1] = hub{name: "shop-hub-2", ready: true, asked: true, configHash: wanted}
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded", "Ready": "False/Progressing",
			"Reconciling": "True/Progressing",
		}, "being replaced"},
		"the next one's image cannot be pulled": {func(v *view) {
			surging(v)
			v.hubs[1].failure = "cannot pull image runnel:9"
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded", "Ready": "False/Progressing",
			"Reconciling": "True/Progressing",
		}, "goes on serving until the next one has taken over; the hub's pod cannot pull image runnel:9"},
		"the next one's image could not be pulled in time": {func(v *view) {
			surging(v)
			v.hubs[1].failure = "cannot pull image runnel:9"
			v.deployment.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse}}
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded",
			"Ready": "False/ProgressDeadlineExceeded", "Stalled": "True/ProgressDeadlineExceeded",
		}, "cannot pull image runnel:9; it did not get ready in the time"},
		"a quota has no room for the next one": {func(v *view) {
			v.deployment.Status.UpdatedReplicas = 0
			v.deployment.Status.Conditions = []appsv1.DeploymentCondition{
				{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota"}}
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded", "Ready": "False/Progressing",
			"Reconciling": "True/Progressing",
		}, "exceeded quota"},
		"a rollout is held by hand": {func(v *view) {
			v.deployment.Spec.Paused, v.deployment.Status.UpdatedReplicas = true, 0
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded", "Ready": "False/Paused",
			"Stalled": "True/Paused",
		}, "kubectl -n team-a rollout resume deployment/shop-hub"},
		"the first rollout is held by hand": {func(v *view) {
			v.hubs, v.deployment.Spec.Paused, v.deployment.Status.UpdatedReplicas = nil, true, 0
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "False/Paused", "ConfigLoaded": "Unknown/Unknown", "Ready": "False/Paused",
			"Stalled": "True/Paused",
		}, "kubectl -n team-a rollout resume deployment/shop-hub"},
		"a Deployment is paused, and nothing waits": {func(v *view) { v.deployment.Spec.Paused = true }, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded", "Ready": "True/Ready",
		}, "as its spec says"},
		"a Secret would be mounted by a pod that is held": {func(v *view) {
			v.deployment.Spec.Paused, v.deployment.Status.UpdatedReplicas = true, 0
			v.hubs[0].missing = []string{"Secret shop-ci, key token"}
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "False/RestartNeeded", "Ready": "False/Paused",
			"Stalled": "True/Paused",
		}, "kubectl -n team-a rollout resume deployment/shop-hub"},
		"a quota has no room for a ReplicaSet": {func(v *view) {
			v.deployment.Status.UpdatedReplicas = 0
			v.deployment.Status.Conditions = []appsv1.DeploymentCondition{{
				Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ReplicaSetCreateError", Message: "exceeded quota: count/replicasets.apps"}}
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded",
			"Ready": "False/ProgressDeadlineExceeded", "Stalled": "True/ProgressDeadlineExceeded",
		}, "count/replicasets.apps"},
		"the next one lacks its certificate": {func(v *view) {
			v.tlsSecret = "shop-tls"
			surging(v)
			v.hubs[0].missing = []string{"Secret not-mounted, key token"}
			v.hubs[1].missing = []string{"Secret shop-tls, key tls.crt"}
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "False/SecretMissing", "Ready": "False/SecretMissing",
		}, "missing in namespace team-a: Secret shop-tls, key tls.crt. Make them"},
		"its node is emptied": {func(v *view) {
			v.hubs[0].leaving = true
			v.hubs = append(v.hubs, hub{name: "shop-hub-2"})
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded", "Ready": "False/Progressing",
			"Reconciling": "True/Progressing",
		}, "being replaced"},
		"the old one is on its way out": {func(v *view) {
			v.hubs = append([]hub{{name: "shop-hub-0", leaving: true, ready: true, asked: true, configHash: old}}, v.hubs...)
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded", "Ready": "True/Ready",
		}, "as its spec says"},
		"its pod fails": {func(v *view) { v.hubs = []hub{{failure: "cannot pull image runnel:9"}} }, map[string]string{
			"Accepted": "True/Accepted", "Available": "False/Unavailable", "ConfigLoaded": "Unknown/Unknown", "Ready": "False/Unavailable",
		}, "cannot pull image runnel:9"},
		"no pod may be made": {deploymentCondition(appsv1.DeploymentReplicaFailure, corev1.ConditionTrue, "exceeded quota"), map[string]string{
			"Accepted": "True/Accepted", "Available": "False/Unavailable", "ConfigLoaded": "Unknown/Unknown", "Ready": "False/Unavailable",
		}, "exceeded quota"},
		"no pod gets ready": {deploymentCondition(appsv1.DeploymentProgressing, corev1.ConditionFalse, ""), map[string]string{
			"Accepted": "True/Accepted", "Available": "False/Unavailable", "ConfigLoaded": "Unknown/Unknown", "Ready": "False/Unavailable",
			"Stalled": "True/Unavailable",
		}, "in time"},
		"a change is on its way to the hub": {func(v *view) { v.hubs[0].configHash = old }, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "False/Reloading", "Ready": "False/Reloading",
			"Reconciling": "True/Reloading",
		}, wanted},
		"the hub refuses": {func(v *view) { v.hubs[0].configHash, v.hubs[0].refusal = old, "topics: bad" }, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "False/ConfigRefused", "Ready": "False/ConfigRefused",
		}, "shop-hub-1: topics: bad"},
		"only a hub that starts anew can carry it out": {func(v *view) { v.hubs[0].restart = "tls is new" }, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "False/RestartNeeded", "Ready": "False/RestartNeeded",
		}, "shop-hub-1: tls is new"},
		"one that starts anew is on its way": {func(v *view) {
			surging(v)
			v.hubs[0].restart = "tls is new"
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "False/Reloading", "Ready": "False/Reloading",
			"Reconciling": "True/Reloading",
		}, "tls is new"},
		"the hub cannot be asked": {func(v *view) { v.hubs[0].asked, v.hubs[0].configHash = false, "" }, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "Unknown/Unknown", "Ready": "True/Ready",
		}, "as its spec says"},
		"a Secret is missing": {func(v *view) {
			v.hubs[0].missing = []string{"Secret shop-ci, key token", "ConfigMap issuer, key jwks.json"}
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "False/SecretMissing", "Ready": "False/SecretMissing",
		}, "missing in namespace team-a: ConfigMap issuer, key jwks.json; Secret shop-ci, key token. Make them"},
		"the certificate is missing": {func(v *view) {
			v.tlsSecret = "shop-tls"
			v.hubs[0].ready, v.hubs[0].missing = false, []string{"Secret shop-tls, key tls.crt", "Secret shop-ci, key token"}
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "False/SecretMissing", "ConfigLoaded": "False/SecretMissing", "Ready": "False/SecretMissing",
		}, "no hub serves without its certificate: missing in namespace team-a: Secret shop-tls, key tls.crt. Make them"},
		"a hub that is being started misses a Secret": {func(v *view) {
			v.tlsSecret = "shop-tls"
			v.hubs[0].ready, v.hubs[0].missing = false, []string{"Secret shop-tls.old, key token"}
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "False/Progressing", "ConfigLoaded": "False/SecretMissing", "Ready": "False/Progressing",
			"Reconciling": "True/Progressing",
		}, "being started"},
		"a pod of before does not mount a Secret": {func(v *view) {
			v.deployment.Generation, v.hubs[0].missing = 3, []string{"Secret shop-ci, key token"}
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "False/Reloading", "Ready": "False/Reloading",
			"Reconciling": "True/Reloading",
		}, "being replaced"},
		"the hub refuses new contents": {func(v *view) { v.hubs[0].refusal = "Secret shop-tls, key tls.crt: no certificate" }, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "False/ConfigRefused", "Ready": "False/ConfigRefused",
		}, "no certificate"},
		"the hub has contents of no use from the first": {func(v *view) {
			v.hubs[0].refusal, v.hubs[0].missing = "of no use: Secret shop-ci, key token: 5 bytes", []string{"Secret shop-ci, key token: 5 bytes"}
		}, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "False/SecretMissing", "Ready": "False/SecretMissing",
		}, "Secret shop-ci, key token: 5 bytes. Make them"},
		"an issuer's keys are missing": {func(v *view) { v.hubs[0].missing = []string{"keys of issuer https://id.example"} }, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "False/IssuerKeysMissing", "Ready": "False/IssuerKeysMissing",
		}, "keys of issuer https://id.example"},
		"the cluster's keys are missing": {func(v *view) { v.keysMissing = true }, map[string]string{
			"Accepted": "True/Accepted", "Available": "True/Available", "ConfigLoaded": "False/IssuerKeysMissing", "Ready": "False/IssuerKeysMissing",
		}, "/openid/v1/jwks"},
		"it is suspended": {func(v *view) { v.stream.Spec.Suspend = true }, map[string]string{
			"Accepted": "Unknown/Suspended", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded", "Ready": "Unknown/Suspended",
		}, "spec.suspend"},
		"it is suspended from the first": {func(v *view) {
			v.stream.Spec.Suspend, v.deployment, v.hubs, v.configHash = true, nil, nil, ""
		}, map[string]string{
			"Accepted": "Unknown/Suspended", "Available": "False/Unavailable", "ConfigLoaded": "Unknown/Unknown", "Ready": "Unknown/Suspended",
		}, "spec.suspend"},
		"the spec contradicts itself, and what ran goes on": {func(v *view) {
			v.applied, v.problem = false, &render.InvalidError{Problems: []string{"limits.maxEventSize: too much"}}
		}, map[string]string{
			"Accepted": "False/Invalid", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded", "Ready": "False/Invalid",
			"Stalled": "True/Invalid",
		}, "limits.maxEventSize"},
		"the API server finds the template invalid": {func(v *view) {
			v.applied, v.problem = false, apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "shop-hub", nil)
		}, map[string]string{
			"Accepted": "False/Invalid", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded", "Ready": "False/Invalid",
			"Stalled": "True/Invalid",
		}, "shop-hub"},
		"the API server forbids a child": {func(v *view) {
			v.applied, v.problem = false, apierrors.NewForbidden(deployments, "shop-hub", nil)
		}, map[string]string{
			"Accepted": "False/Refused", "Available": "True/Available", "ConfigLoaded": "True/ConfigLoaded", "Ready": "False/Refused",
		}, "shop-hub"},
		"somebody's object has a child's name": {func(v *view) {
			v.applied, v.deployment, v.hubs, v.configHash = false, nil, nil, ""
			v.problem = &apply.ConflictError{Objects: []string{"Service shop-publish"}}
		}, map[string]string{
			"Accepted": "False/NameConflict", "Available": "False/Unavailable", "ConfigLoaded": "Unknown/Unknown", "Ready": "False/NameConflict",
			"Stalled": "True/NameConflict",
		}, "Service shop-publish"},
		"a deleted stream's child is still there": {func(v *view) {
			v.applied, v.deployment, v.hubs, v.configHash = false, nil, nil, ""
			v.problem = &apply.LeftoverError{Objects: []string{"Service shop-publish"}}
		}, map[string]string{
			"Accepted": "False/Progressing", "Available": "False/Unavailable", "ConfigLoaded": "Unknown/Unknown", "Ready": "False/Progressing",
			"Reconciling": "True/Progressing",
		}, "Service shop-publish"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			v := serving()
			c.change(v)
			s := v.status(metav1.Now())
			got := map[string]string{}
			for _, cond := range s.Conditions {
				got[cond.Type] = string(cond.Status) + "/" + cond.Reason
			}
			g.Expect(got).To(Equal(c.want))
			g.Expect(meta.FindStatusCondition(s.Conditions, "Ready").Message).To(ContainSubstring(c.says))
			g.Expect(s.ObservedGeneration).To(BeEquivalentTo(3))
			v.stream.Status = s
			g.Expect(rules.Broken(v.stream)).To(BeEmpty())
			again := v.status(metav1.NewTime(time.Now().Add(time.Hour)))
			g.Expect(sameStatus(&s, &again)).To(BeTrue(), "the same state gives the same status at any time")
		})
	}
}
