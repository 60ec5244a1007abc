// Package rules says what holds of the status of every EventStream, whatever happened to it: the API conventions for conditions,
// those of kstatus for Reconciling and Stalled, and that Ready sums up the others. It is for tests, which hold every status that
// is ever written against it.
package rules

import (
	"fmt"
	"reflect"
	"regexp"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

// maxMessage is the longest message of a condition in bytes; the API server refuses a longer one.
const maxMessage = 32 << 10

// reason is the form of a condition's reason, as the conventions have it: one word in CamelCase.
var reason = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)

// always are the conditions that every status has.
func always() []string {
	return []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionAvailable, v1alpha1.ConditionConfigLoaded, v1alpha1.ConditionReady}
}

// whileTrue are those that are there only while they are true.
func whileTrue() []string { return []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} }

// Broken returns the rules that a stream's status breaks; none if it is well. They hold at any time, also of a status that is
// behind its spec or not there yet.
func Broken(s *v1alpha1.EventStream) []string {
	b := &broken{name: s.Namespace + "/" + s.Name}
	b.hold(s.Status.ObservedGeneration <= s.Generation, "observedGeneration %d is of the future: the generation is %d", s.Status.ObservedGeneration, s.Generation)
	b.hold(s.Status.ReadyReplicas <= s.Status.Replicas, "%d of %d replicas are ready", s.Status.ReadyReplicas, s.Status.Replicas)
	if s.Status.ObservedGeneration <= 0 {
		b.hold(len(s.Status.Conditions) == 0, "there are conditions of no generation")
		return b.rules
	}
	b.conditions(s)
	b.summary(s)
	return b.rules
}

// conditions are well formed.
func (b *broken) conditions(s *v1alpha1.EventStream) {
	types := map[string]bool{}
	for _, c := range s.Status.Conditions {
		b.hold(!types[c.Type], "%s is there twice", c.Type)
		types[c.Type] = true
		b.hold(reason.MatchString(c.Reason), "%s has the reason %q, which is no word in CamelCase", c.Type, c.Reason)
		b.hold(c.Message != "", "%s has no message", c.Type)
		b.hold(len(c.Message) <= maxMessage, "%s has a message of %d bytes", c.Type, len(c.Message))
		b.hold(!c.LastTransitionTime.IsZero(), "%s has no time", c.Type)
		b.hold(c.ObservedGeneration == s.Status.ObservedGeneration, "%s is of generation %d, the status of %d", c.Type, c.ObservedGeneration, s.Status.ObservedGeneration)
		b.hold(c.Status == metav1.ConditionTrue || c.Status == metav1.ConditionFalse || c.Status == metav1.ConditionUnknown, "%s is %q", c.Type, c.Status)
	}
	for _, kind := range always() {
		b.hold(types[kind], "%s is missing", kind)
		delete(types, kind)
	}
	for _, kind := range whileTrue() {
		if c := meta.FindStatusCondition(s.Status.Conditions, kind); c != nil {
			b.hold(c.Status == metav1.ConditionTrue, "%s is there and %s", kind, c.Status)
		}
		delete(types, kind)
	}
	b.hold(len(types) == 0, "nobody has said what %v mean", types)
}

// summary: Ready is true if and only if all is well, which is when neither Reconciling nor Stalled is there.
func (b *broken) summary(s *v1alpha1.EventStream) {
	conditions := s.Status.Conditions
	is := func(kind string) bool { return meta.IsStatusConditionTrue(conditions, kind) }
	ready, reconciling, stalled := is(v1alpha1.ConditionReady), is(v1alpha1.ConditionReconciling), is(v1alpha1.ConditionStalled)
	b.hold(!reconciling || !stalled, "it is Reconciling and Stalled at once")
	if !ready {
		return
	}
	b.hold(!reconciling && !stalled, "it is Ready, and Reconciling or Stalled")
	b.hold(is(v1alpha1.ConditionAccepted), "it is Ready and not Accepted")
	b.hold(is(v1alpha1.ConditionAvailable), "it is Ready and not Available")
	b.hold(!meta.IsStatusConditionFalse(conditions, v1alpha1.ConditionConfigLoaded), "it is Ready and its configuration is not loaded")
	b.hold(s.Status.ReadyReplicas > 0, "it is Ready without a hub")
	b.hold(s.Status.Address != nil && s.Status.SubscribeURL != "", "it is Ready and says not where")
}

// BrokenBetween returns the rules that two statuses of the same stream break, of which the second replaced the first: times are
// those of transitions, and what was observed is not forgotten.
func BrokenBetween(before, after *v1alpha1.EventStream) []string {
	b := &broken{name: after.Namespace + "/" + after.Name}
	if before.UID != after.UID {
		return nil
	}
	b.hold(after.Status.ObservedGeneration >= before.Status.ObservedGeneration, "observedGeneration went from %d back to %d", before.Status.ObservedGeneration, after.Status.ObservedGeneration)
	b.hold(before.Status.Image == "" || after.Status.Image != "", "the pinned image %s is gone", before.Status.Image)
	for _, c := range after.Status.Conditions {
		was := meta.FindStatusCondition(before.Status.Conditions, c.Type)
		if was == nil {
			continue
		}
		moved := !c.LastTransitionTime.Equal(&was.LastTransitionTime)
		b.hold(!moved || c.Status != was.Status, "%s has another time, and is %s as before", c.Type, c.Status)
		b.hold(!c.LastTransitionTime.Before(&was.LastTransitionTime), "%s went back in time", c.Type)
	}
	if before.ResourceVersion != after.ResourceVersion && before.Generation == after.Generation && reflect.DeepEqual(before.Annotations, after.Annotations) &&
		reflect.DeepEqual(before.Labels, after.Labels) && before.DeletionTimestamp.Equal(after.DeletionTimestamp) && reflect.DeepEqual(before.Finalizers, after.Finalizers) {
		b.hold(!reflect.DeepEqual(before.Status, after.Status), "it was written and nothing changed")
	}
	return b.rules
}

// broken gathers what does not hold.
type broken struct {
	name  string
	rules []string
}

func (b *broken) hold(ok bool, format string, args ...any) {
	if !ok {
		b.rules = append(b.rules, b.name+": "+fmt.Sprintf(format, args...))
	}
}
