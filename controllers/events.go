package controllers

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

const (
	// eventAction is what the operator does in all of its events.
	eventAction = "Reconcile"

	// noteBytes is the longest note of an events.k8s.io event.
	noteBytes = 1024
)

// transition is what an event tells.
type transition struct {
	// kind is Normal or Warning.
	kind string
	// reason and message are the condition's.
	reason, message string
}

// transitions returns what happened between two statuses. States that pass by themselves are none, and neither is what is as
// it was but for its words.
func transitions(before, after []metav1.Condition) []transition {
	var out []transition
	for _, kind := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionAvailable, v1alpha1.ConditionConfigLoaded} {
		was, is := meta.FindStatusCondition(before, kind), meta.FindStatusCondition(after, kind)
		if is == nil || was != nil && was.Status == is.Status && was.Reason == is.Reason {
			continue
		}
		t := transition{kind: corev1.EventTypeNormal, reason: is.Reason, message: is.Message}
		switch {
		case is.Reason == v1alpha1.ReasonProgressing, is.Reason == v1alpha1.ReasonReloading, is.Reason == v1alpha1.ReasonUnknown:
			continue
		case is.Status == metav1.ConditionFalse:
			t.kind = corev1.EventTypeWarning
		}
		out = append(out, t.cut())
	}
	// While a hub serves, none of these tells that its successor is stuck.
	was, is := meta.FindStatusCondition(before, v1alpha1.ConditionStalled), meta.FindStatusCondition(after, v1alpha1.ConditionStalled)
	if is != nil && is.Reason == v1alpha1.ReasonProgressDeadlineExceeded && (was == nil || was.Reason != is.Reason) {
		out = append(out, transition{corev1.EventTypeWarning, is.Reason, is.Message}.cut())
	}
	return out
}

// cut leaves of the message what an event takes.
func (t transition) cut() transition {
	t.message = cut(t.message, noteBytes)
	return t
}

// cut leaves so many bytes of the text at most.
func cut(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}
