package e2e_test

import (
	"context"
	"fmt"
	"sync"

	kstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/rules"
)

// brokenRules are the rules that a status breaks, and whether kstatus, by which kubectl's and others' tools wait, sees anything
// else in it than Ready says.
func brokenRules(s *v1alpha1.EventStream) []string {
	broken := rules.Broken(s)
	ready := s.Status.ObservedGeneration == s.Generation && meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionReady)
	want := kstatus.InProgressStatus
	switch {
	case s.DeletionTimestamp != nil:
		want = kstatus.TerminatingStatus
	case ready:
		want = kstatus.CurrentStatus
	case s.Status.ObservedGeneration == s.Generation && meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionStalled):
		want = kstatus.FailedStatus
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(s)
	if err != nil {
		return append(broken, err.Error())
	}
	got, err := kstatus.Compute(&unstructured.Unstructured{Object: object})
	if err != nil {
		return append(broken, "kstatus: "+err.Error())
	}
	if got.Status != want {
		broken = append(broken, fmt.Sprintf("%s/%s: kstatus says %s (%s) and Ready says %s", s.Namespace, s.Name, got.Status, got.Message, want))
	}
	return broken
}

// statusWatch follows all streams, so that a status which lasts for a moment is seen too.
type statusWatch struct {
	watch watch.Interface
	done  chan struct{}

	mu     sync.Mutex
	seen   int
	broken []string
	before map[types.UID]*v1alpha1.EventStream
}

func watchStatuses() *statusWatch {
	c, err := client.NewWithWatch(p.Config, client.Options{Scheme: p.Client.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	w, err := c.Watch(context.Background(), &v1alpha1.EventStreamList{})
	Expect(err).NotTo(HaveOccurred())
	s := &statusWatch{watch: w, done: make(chan struct{}), before: map[types.UID]*v1alpha1.EventStream{}}
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
			before := s.before[stream.UID]
			s.before[stream.UID] = stream
			if e.Type == watch.Deleted { // which has a version, and nothing of it was written
				delete(s.before, stream.UID)
			} else if before != nil {
				s.broken = append(s.broken, rules.BrokenBetween(before, stream)...)
			}
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
