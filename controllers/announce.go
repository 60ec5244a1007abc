package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/runnel-dev/runnel/controllers/apply"
)

// Reasons of events that tell what the operator does. Those of transitions are the conditions' own.
const (
	eventRollout = "RolloutStarted"
	eventUpgrade = "ImageUpgraded"
	eventReload  = "Reloading"
	eventRepair  = "DriftRepaired"
)

// repairPause is the least time between two accounts of a stream's repairs. Whoever changes a child back each time could otherwise fill
// the log and the API server's store of events.
const repairPause = time.Minute

// announce logs what was done to the stream's children, and records as events what changes a hub or undoes what somebody did. For a
// settled stream it is called without changes, and then costs nothing. hash is that of the applied configuration. before is the
// Deployment before the changes, or nil if there was none.
func (r *Reconciler) announce(ctx context.Context, v *view, changes []apply.Change, hash string, before *appsv1.Deployment) {
	if len(changes) == 0 {
		return
	}
	logger := log.FromContext(ctx)
	var repaired []string
	rolls, known := false, v.stream.Status.ConfigHash
	for _, c := range changes {
		if c.How == apply.Created && known != "" {
			c.How = apply.Repaired // since it was there before
		}
		r.Counters.changed(c)
		if c.How == apply.Repaired {
			repaired = append(repaired, described(c))
			continue
		}
		rolls = rolls || c.Kind == "Deployment"
		logger.Info("Child "+string(c.How), "kind", c.Kind, "child", c.Name)
		if c.Kind == "ConfigMap" && c.How == apply.Changed && known != "" && known != hash {
			r.event(v, eventReload, fmt.Sprintf("hubs take up configuration %s in place of %s, and keep their connections", hash, known))
		}
	}
	r.repairs(ctx, v, repaired)
	if rolls && before != nil && v.deployment != nil { // what a repair rolls, its own event tells
		r.rollout(ctx, v, before)
	}
}

// described is a child that was repaired, in words.
func described(c apply.Change) string {
	if c.Field == "" {
		return fmt.Sprintf("%s %s was deleted", c.Kind, c.Name)
	}
	return fmt.Sprintf("%s %s was changed, in %s for instance", c.Kind, c.Name, c.Field)
}

// repairs tells of children that somebody else had changed, and at most once in a while.
func (r *Reconciler) repairs(ctx context.Context, v *view, repaired []string) {
	if len(repaired) == 0 {
		return
	}
	known := r.known.of(client.ObjectKeyFromObject(v.stream))
	now := time.Now()
	if now.Sub(known.repaired) < repairPause {
		known.untold += len(repaired)
		return
	}
	known.repaired = now
	message := strings.Join(repaired, "; ") + "; it is as the spec asks again"
	if known.untold > 0 {
		message += fmt.Sprintf(", as %d times more since the last event of this kind", known.untold)
	}
	log.FromContext(ctx).Info("Drift repaired", "what", repaired, "untold", known.untold)
	known.untold = 0
	r.event(v, eventRepair, message)
}

// rollout tells of new pods that the changes bring.
func (r *Reconciler) rollout(ctx context.Context, v *view, before *appsv1.Deployment) {
	logger := log.FromContext(ctx)
	fields := templateDifferences(before.Spec.Template, v.deployment.Spec.Template)
	if len(fields) == 0 {
		return
	}
	if was, is := hubImage(before), hubImage(v.deployment); was != is {
		r.Counters.rollout(causeImage)
		logger.Info("Hub upgraded", "from", was, "to", is)
		r.event(v, eventUpgrade, fmt.Sprintf("the hub is replaced by one of image %s in place of %s, and hands its history over", is, was))
		return
	}
	r.Counters.rollout(causeTemplate)
	logger.Info("Rollout started", "fields", fields)
	r.event(v, eventRollout, "the hub is replaced and hands its history over, since its pod template changed in "+strings.Join(fields, ", "))
}

func (r *Reconciler) event(v *view, reason, message string) {
	r.Recorder.Eventf(v.stream, nil, corev1.EventTypeNormal, reason, eventAction, "%s", cut(message, noteBytes))
}

// logTransitions logs each condition that has become another one.
func logTransitions(ctx context.Context, before, after []metav1.Condition) {
	for _, is := range after {
		was := ""
		for _, c := range before {
			if c.Type == is.Type {
				was = string(c.Status) + "/" + c.Reason
			}
		}
		if now := string(is.Status) + "/" + is.Reason; was != now {
			log.FromContext(ctx).Info("Condition changed", "type", is.Type, "from", was, "to", now, "message", cut(is.Message, noteBytes))
		}
	}
}
