package controllers

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/apply"
)

// Causes of rollouts.
const (
	causeImage    = "image"
	causeTemplate = "template"
)

// Counters count what the operator does. Each is there from the start, since a rate misses what a series begins with.
type Counters struct {
	changes, rollouts *prometheus.CounterVec
}

// NewCounters returns counters at 0.
func NewCounters() *Counters {
	c := &Counters{
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "runnel_operator_child_changes_total",
			Help: "Writes of streams' children, by kind and by how: created, adopted, changed, repaired (somebody else had changed or deleted it) or deleted.",
		}, []string{"kind", "how"}),
		rollouts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "runnel_operator_rollouts_total",
			Help: "Hubs that the operator replaced, by cause: image or template.",
		}, []string{"cause"}),
	}
	for _, kind := range apply.KindNames() {
		for _, how := range apply.Hows() {
			c.changes.WithLabelValues(kind, string(how))
		}
	}
	for _, cause := range []string{causeImage, causeTemplate} {
		c.rollouts.WithLabelValues(cause)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *Counters) Describe(descs chan<- *prometheus.Desc) {
	c.changes.Describe(descs)
	c.rollouts.Describe(descs)
}

// Collect implements prometheus.Collector.
func (c *Counters) Collect(metrics chan<- prometheus.Metric) {
	c.changes.Collect(metrics)
	c.rollouts.Collect(metrics)
}

func (c *Counters) changed(change apply.Change) {
	if c != nil {
		c.changes.WithLabelValues(change.Kind, string(change.How)).Inc()
	}
}

func (c *Counters) rollout(cause string) {
	if c != nil {
		c.rollouts.WithLabelValues(cause).Inc()
	}
}

// StreamConditions is the metric of streams' conditions: for each condition that a stream has, a series for each status, 1 for the
// status that it has and 0 for the others. It reads the cache at each scrape, so the series of a stream go with the stream. An operator that
// stands by has none.
type StreamConditions struct {
	// Reader reads from the manager's cache.
	Reader client.Reader
	// Elected is closed when the operator leads.
	Elected <-chan struct{}
}

// conditionsTimeout ends a look at a cache that is not filled.
const conditionsTimeout = 5 * time.Second

var conditionDesc = prometheus.NewDesc("runnel_operator_stream_condition",
	"1 for the status that a condition of a stream has, 0 for the others.", []string{"namespace", "name", "type", "status"}, nil)

// Describe implements prometheus.Collector.
func (s *StreamConditions) Describe(descs chan<- *prometheus.Desc) { descs <- conditionDesc }

// Collect implements prometheus.Collector.
func (s *StreamConditions) Collect(metrics chan<- prometheus.Metric) {
	select {
	case <-s.Elected:
	default:
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), conditionsTimeout)
	defer cancel()
	list := &v1alpha1.EventStreamList{}
	if err := s.Reader.List(ctx, list, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
		log.Log.WithName("metrics").V(1).Info("Streams cannot be listed", "error", err.Error())
		return
	}
	for i := range list.Items {
		stream := &list.Items[i]
		for _, c := range stream.Status.Conditions {
			for _, status := range []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown} {
				value := 0.0
				if c.Status == status {
					value = 1
				}
				metrics <- prometheus.MustNewConstMetric(conditionDesc, prometheus.GaugeValue, value, stream.Namespace, stream.Name, c.Type, string(status))
			}
		}
	}
}
