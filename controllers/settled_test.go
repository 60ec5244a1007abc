package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

// What the operator writes itself leads to one reconciliation at most, however many children it was.
func TestHowOftenAChangeIsReconciled(t *testing.T) {
	huge := resource.MustParse("4Gi")
	for name, c := range map[string]struct {
		step func(*trial)
		want int
		why  string
	}{
		"a field that reloads": {
			change(func(s *v1alpha1.EventStreamSpec) { s.Heartbeat.Interval = "20s" }), 3,
			"the spec; the ConfigMap that was written for it; a look at what the hub runs, 200 ms later",
		},
		"a contradiction": {
			change(func(s *v1alpha1.EventStreamSpec) { s.Retention.Bytes = &huge }), 1,
			"the spec: the status is no news to who wrote it, and only another spec helps",
		},
		"a suspension": {
			change(func(s *v1alpha1.EventStreamSpec) { s.Suspend = true }), 1, "the spec",
		},
		"a foreign annotation": {
			drifts("shop-hub", &corev1.ConfigMap{}, func(o client.Object) { o.SetAnnotations(map[string]string{"a": "b"}) }), 2,
			"what somebody else wrote; the annotation of the operator that it took away, which was written again",
		},
		"a foreign label": {
			drifts("shop-hub", &corev1.ConfigMap{}, func(o client.Object) { o.GetLabels()["a"] = "b" }), 1, "what somebody else wrote",
		},
		"nothing": {func(*trial) {}, 0, "an hour passes"},
	} {
		bubble(t, name, func(t *testing.T) {
			g := NewWithT(t)
			w := newTrial(g, newServer(g))
			create(w)
			w.drain()
			w.reconciled = 0
			c.step(w)
			w.drain()
			time.Sleep(time.Hour)
			w.drain()
			g.Expect(w.reconciled).To(Equal(c.want), c.why)
			g.Expect(w.timers).To(BeEmpty(), "the operator does not come back by itself")
		})
	}
}
