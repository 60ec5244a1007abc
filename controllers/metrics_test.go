package controllers

import (
	"context"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

// gathered are the series of a metric as text, such as `{name="shop"} 1`.
func gathered(g Gomega, c prometheus.Collector) (all []string) {
	registry := prometheus.NewPedanticRegistry()
	g.Expect(registry.Register(c)).To(Succeed())
	families, err := registry.Gather()
	g.Expect(err).NotTo(HaveOccurred())
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := ""
			for _, l := range m.GetLabel() {
				labels += fmt.Sprintf(" %s=%s", l.GetName(), l.GetValue())
			}
			all = append(all, fmt.Sprintf("%s%s %v", f.GetName(), labels, m.GetGauge().GetValue()+m.GetCounter().GetValue()))
		}
	}
	return all
}

func TestConditionsAreAMetric(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	elected := make(chan struct{})
	conditions := &StreamConditions{Reader: w.Client, Elected: elected}
	w.settle()
	g.Expect(gathered(g, conditions)).To(BeEmpty(), "an operator that stands by")
	close(elected)
	ready := func(status string, value int) string {
		return fmt.Sprintf("runnel_operator_stream_condition name=shop namespace=team-a status=%s type=Ready %d", status, value)
	}
	g.Expect(gathered(g, conditions)).To(ContainElements(ready("True", 1), ready("False", 0), ready("Unknown", 0)))
	w.change(func(s *v1alpha1.EventStreamSpec) { s.Suspend = true })
	w.reconcile()
	g.Expect(gathered(g, conditions)).To(ContainElements(ready("True", 0), ready("False", 0), ready("Unknown", 1)))
	g.Expect(w.Delete(context.Background(), w.stream(), client.GracePeriodSeconds(0))).To(Succeed())
	g.Expect(gathered(g, conditions)).To(BeEmpty(), "series go with the stream")
}

func TestCountersOfTheOperatorAreThereBeforeTheyCount(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.r.Counters = NewCounters()
	g.Expect(gathered(g, w.r.Counters)).To(ContainElements(
		"runnel_operator_child_changes_total how=created kind=Deployment 0", "runnel_operator_child_changes_total how=repaired kind=Service 0",
		"runnel_operator_child_changes_total how=deleted kind=ConfigMap 0", "runnel_operator_rollouts_total cause=image 0",
		"runnel_operator_rollouts_total cause=template 0"))
	w.settle()
	w.change(func(s *v1alpha1.EventStreamSpec) {
		s.Template = &v1alpha1.HubTemplate{NodeSelector: map[string]string{"disk": "fast"}}
	})
	w.reconcile()
	g.Expect(gathered(g, w.r.Counters)).To(ContainElements(
		"runnel_operator_child_changes_total how=created kind=Deployment 1", "runnel_operator_child_changes_total how=created kind=Service 3",
		"runnel_operator_child_changes_total how=changed kind=Deployment 1", "runnel_operator_rollouts_total cause=template 1",
		"runnel_operator_rollouts_total cause=image 0"))
}
