package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

func TestWhatIsSaidOfHubsThatAreTooOld(t *testing.T) {
	left := planted()[:1]
	for name, c := range map[string]struct {
		change func(*view)
		want   string // of ConfigLoaded, and of Ready
		way    string // Stalled, Reconciling or neither
		says   string
	}{
		"its image is pinned":     {func(*view) {}, "HubTooOld HubTooOld", "Stalled", "imagePolicy: FollowOperator"},
		"it waits for its turn":   {func(v *view) { v.skew.follows = true }, "HubTooOld HubTooOld", "Reconciling", "waits for its turn"},
		"it has not told":         {func(v *view) { v.skew.oldest.told = false }, "HubTooOld HubTooOld", "", "reach port 9090"},
		"the operator's is older": {func(v *view) { v.skew.operators = true }, "HubTooOld HubTooOld", "", "--hub-image"},
		"it is being replaced": {func(v *view) {
			v.skew.operators = true
			surging(v)
		}, "Reloading Reloading", "Reconciling", "being replaced by a hub of the operator's image"},
		"the next one does not run yet": {func(v *view) {
			v.skew.oldest = hubVersion{"shop-hub-2", 1, false, false}
			surging(v)
		}, "Reloading Reloading", "Reconciling", "shop-hub-2 has not told which version of the configuration it reads, gets version 1 and runs without what is newer"},
		"it cannot be replaced": {func(v *view) {
			v.skew.operators = true
			surging(v)
			v.deployment.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse}}
		}, "Reloading ProgressDeadlineExceeded", "Stalled", "did not get ready in the time"},
		"it refuses what is left":  {func(v *view) { v.hubs[0].configHash, v.hubs[0].refusal = old, "topics: bad" }, "ConfigRefused ConfigRefused", "", "topics: bad"},
		"it takes up what is left": {func(v *view) { v.hubs[0].configHash = old }, "Reloading Reloading", "Reconciling", wanted},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			v := serving()
			v.skew = skew{left: left, needed: 2, oldest: hubVersion{"shop-hub-1", 1, true, true}}
			c.change(v)
			f := v.findings()
			g.Expect(f[v1alpha1.ConditionConfigLoaded].reason + " " + f[v1alpha1.ConditionReady].reason).To(Equal(c.want))
			g.Expect(f[v1alpha1.ConditionReady].message).To(ContainSubstring(c.says))
			for _, way := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling} {
				_, is := f[way]
				g.Expect(is).To(Equal(way == c.way), way)
			}
		})
	}
}
