package main

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// lock remembers who was written to hold it.
type lock struct {
	resourcelock.Interface // nil
	written                []string
}

func (l *lock) Update(_ context.Context, record resourcelock.LeaderElectionRecord) error {
	l.written = append(l.written, record.HolderIdentity)
	return nil
}

func TestALeaseIsGivenBackOnlyAfterTheWorkersHaveStopped(t *testing.T) {
	g := NewWithT(t)
	held, stopped := &lock{}, false
	l := &lease{Interface: held, stop: func() bool { return stopped }}
	g.Expect(l.Update(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "me"})).To(Succeed(), "a worker does not keep it from being renewed")
	g.Expect(l.Update(t.Context(), resourcelock.LeaderElectionRecord{})).NotTo(Succeed())
	g.Expect(held.written).To(Equal([]string{"me"}))
	stopped = true
	g.Expect(l.Update(t.Context(), resourcelock.LeaderElectionRecord{})).To(Succeed())
	g.Expect(held.written).To(Equal([]string{"me", ""}))
}
