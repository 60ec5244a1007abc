package e2e_test

import (
	"context"
	"fmt"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

// brokenRules are the rules that a status breaks: those of the API conventions for conditions, of kstatus for Reconciling and
// Stalled, and that Ready sums up the others. They hold of every status at any time, also of one that is behind its spec.
func brokenRules(s *v1alpha1.EventStream) []string {
	r := &rules{name: s.Namespace + "/" + s.Name}
	conditions := s.Status.Conditions
	r.hold(s.Status.ObservedGeneration <= s.Generation, "observedGeneration %d is of the future: the generation is %d", s.Status.ObservedGeneration, s.Generation)
	r.hold(s.Status.ReadyReplicas <= s.Status.Replicas, "%d of %d replicas are ready", s.Status.ReadyReplicas, s.Status.Replicas)
	if s.Status.ObservedGeneration == 0 {
		r.hold(len(conditions) == 0, "there are conditions of no generation")
		return r.broken
	}
	for _, c := range conditions {
		r.hold(c.Reason != "", "%s has no reason", c.Type)
		r.hold(c.Message != "", "%s has no message", c.Type)
		r.hold(!c.LastTransitionTime.IsZero(), "%s has no time", c.Type)
		r.hold(c.ObservedGeneration == s.Status.ObservedGeneration, "%s is of generation %d, the status of %d", c.Type, c.ObservedGeneration, s.Status.ObservedGeneration)
	}
	for _, kind := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionAvailable, v1alpha1.ConditionConfigLoaded, v1alpha1.ConditionReady} {
		r.hold(meta.FindStatusCondition(conditions, kind) != nil, "%s is missing", kind)
	}
	ready := meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReady)
	present := 0
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if c := meta.FindStatusCondition(conditions, kind); c != nil {
			present++
			r.hold(c.Status == metav1.ConditionTrue, "%s is there and %s", kind, c.Status)
		}
	}
	r.hold(present <= 1, "it is Reconciling and Stalled at once")
	r.hold(!ready || present == 0, "it is Ready, and Reconciling or Stalled")
	if ready {
		r.hold(meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionAccepted), "it is Ready and not Accepted")
		r.hold(meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionAvailable), "it is Ready and not Available")
		r.hold(!meta.IsStatusConditionFalse(conditions, v1alpha1.ConditionConfigLoaded), "it is Ready and its configuration is not loaded")
		r.hold(s.Status.ReadyReplicas > 0, "it is Ready without a hub")
		r.hold(s.Status.Address != nil && s.Status.SubscribeURL != "", "it is Ready and says not where")
	}
	return r.broken
}

// rules gathers what does not hold.
type rules struct {
	name   string
	broken []string
}

func (r *rules) hold(ok bool, format string, args ...any) {
	if !ok {
		r.broken = append(r.broken, r.name+": "+fmt.Sprintf(format, args...))
	}
}

// statusWatch follows all streams, so that a status which lasts for a moment is seen too.
type statusWatch struct {
	watch watch.Interface
	done  chan struct{}

	mu     sync.Mutex
	seen   int
	broken []string
}

func watchStatuses() *statusWatch {
	c, err := client.NewWithWatch(p.Config, client.Options{Scheme: p.Client.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	w, err := c.Watch(context.Background(), &v1alpha1.EventStreamList{})
	Expect(err).NotTo(HaveOccurred())
	s := &statusWatch{watch: w, done: make(chan struct{})}
	go s.follow()
	return s
}

func (s *statusWatch) follow() {
	defer close(s.done)
	for e := range s.watch.ResultChan() {
		s.mu.Lock()
		if stream, ok := e.Object.(*v1alpha1.EventStream); ok {
			s.seen++
			s.broken = append(s.broken, brokenRules(stream)...)
		} else {
			s.broken = append(s.broken, fmt.Sprintf("the watch of streams: %v", e.Object))
		}
		s.mu.Unlock()
	}
}

// check fails if a status has broken a rule since the last check, or if there is nobody who looks.
func (s *statusWatch) check() {
	GinkgoHelper()
	Expect(s.done).NotTo(BeClosed(), "the watch of streams has ended")
	s.mu.Lock()
	defer s.mu.Unlock()
	broken := s.broken
	s.broken = nil
	Expect(broken).To(BeEmpty())
}

// count is the number of states that were held against the rules.
func (s *statusWatch) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func (s *statusWatch) stop() {
	s.check()
	s.watch.Stop() // which the watch itself may tell as an error
	<-s.done
}
