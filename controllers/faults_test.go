package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/fault"
)

// settledBefore is the state that a scenario begins with.
func (c scenario) settledBefore(g Gomega) *trial {
	w := newTrial(g, newServer(g))
	for _, step := range c.given {
		step(w)
		w.drain()
	}
	return w
}

// play lets a scenario happen to a copy of that state; disturb is called before its first step.
func (c scenario) play(before *trial, disturb func(*trial)) *trial {
	w := before.copy()
	w.drain() // the operator learns what there is
	w.calls.Arm(0, 0)
	w.told, w.reconciled = 0, 0
	disturb(w)
	for _, step := range c.steps {
		step(w)
		w.drain()
		if w.resyncs {
			w.resync()
			w.drain()
		}
	}
	return w
}

// bubble runs a test beside others, in a time of its own.
func bubble(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, f)
	})
}

func TestScenariosEndWell(t *testing.T) {
	for name, c := range scenarios() {
		bubble(t, name, func(t *testing.T) {
			g := NewWithT(t)
			w := c.play(c.settledBefore(g), func(*trial) {})
			if !c.ready && !c.unready {
				g.Expect(w.final()).To(BeEmpty())
				return
			}
			s := w.shop()
			g.Expect(meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionReady)).To(Equal(c.ready), "%v", s.Status.Conditions)
			t.Logf("%d calls, %d reconciliations", len(w.calls.Made()), w.reconciled)
		})
	}
}

// Every call of every scenario fails once, in every way. What there is in the end is as if it had not.
//
// To a read, it makes no difference whether its answer is lost or it never took place; and whether the process ends before a read,
// before the next one or before the next write makes none to anybody, as the process forgets all.
func TestAFaultAtAnyCallChangesNothingInTheEnd(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(scenarios())) {
		bubble(t, name, func(t *testing.T) {
			g := NewWithT(t)
			c := scenarios()[name]
			before := c.settledBefore(g)
			happy := c.play(before, func(*trial) {})
			want := happy.final()
			calls := happy.calls.Made()
			for i := 0; i < len(calls); i += stride {
				call := calls[i]
				for _, kind := range waysToFail(call) {
					w := c.play(before, func(w *trial) { w.calls.Arm(i+1, kind) })
					g.Expect(w.calls.Fired()).To(Equal(call), "all that is before a fault is as without it")
					g.Expect(differences(w.final(), want)).To(BeEmpty(), fmt.Sprintf("call %d, %s, %s", i+1, call, kind))
				}
			}
		})
	}
}

func waysToFail(call string) []fault.Kind {
	if strings.HasPrefix(call, "read ") || strings.HasPrefix(call, "get ") {
		return []fault.Kind{fault.Refused}
	}
	return []fault.Kind{fault.Refused, fault.Lost, fault.CrashBefore, fault.CrashAfter}
}

// What was written shows in the cache some reads later, with what the operator itself has written at once, as in production, and
// without. A very long lag shows all at once when the operator is idle: what was in between is never seen.
func TestACacheThatLagsChangesNothingInTheEnd(t *testing.T) {
	for name, c := range scenarios() {
		bubble(t, name, func(t *testing.T) {
			g := NewWithT(t)
			before := c.settledBefore(g)
			want := c.play(before, func(*trial) {}).final()
			for _, lag := range lags() {
				for _, blind := range []bool{false, true} {
					w := c.play(before, func(w *trial) { w.cache.Lag, w.cache.Blind = lag, blind })
					g.Expect(differences(w.final(), want)).To(BeEmpty(), "lag of %d, read-your-writes %t", lag, !blind)
				}
			}
		})
	}
}

// An operator whose cache lags behind its own writes is disturbed, too.
func TestAFaultAtAnyCallWithACacheThatLags(t *testing.T) {
	for _, name := range []string{"a stream is made", "a stream is deleted and made again at once", "another template", "another certificate", "a child is no longer wanted"} {
		bubble(t, name, func(t *testing.T) {
			g := NewWithT(t)
			c := scenarios()[name]
			lagging := func(w *trial) { w.cache.Lag, w.cache.Blind = 7, true }
			before := c.settledBefore(g)
			happy := c.play(before, lagging)
			want := happy.final()
			calls := happy.calls.Made()
			for i := 0; i < len(calls); i += stride {
				for _, kind := range waysToFail(calls[i]) {
					w := c.play(before, func(w *trial) {
						lagging(w)
						w.calls.Arm(i+1, kind)
					})
					g.Expect(differences(w.final(), want)).To(BeEmpty(), fmt.Sprintf("call %d, %s, %s", i+1, calls[i], kind))
				}
			}
		})
	}
}

// Nobody tells the operator of one change, until it looks at all streams again some time.
func TestAnEventThatIsLostChangesNothingInTheEnd(t *testing.T) {
	for name, c := range scenarios() {
		bubble(t, name, func(t *testing.T) {
			g := NewWithT(t)
			before := c.settledBefore(g)
			happy := c.play(before, func(*trial) {})
			want := happy.final()
			for n := 1; n <= happy.told; n += stride {
				w := c.play(before, func(w *trial) { w.drop, w.resyncs = n, true })
				g.Expect(differences(w.final(), want)).To(BeEmpty(), "event %d of %d", n, happy.told)
			}
		})
	}
}
