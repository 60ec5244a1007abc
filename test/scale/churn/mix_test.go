package churn_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/runnel-dev/runnel/test/scale/churn"
)

func TestTheMixIsExactAndEven(t *testing.T) {
	m := churn.Published
	if m.Total() != 150 || m[churn.Create] != 12 || m[churn.Delete] != 2 {
		t.Fatalf("%v are %d", m, m.Total())
	}
	got, last := churn.Mix{}, map[churn.Kind]int{}
	for i := range 2 * m.Total() {
		kind := m.Of(i)
		got[kind]++
		if before, ok := last[kind]; ok {
			if gap, even := i-before, m.Total()/m[kind]; gap > 2*even {
				t.Errorf("no %s for %d changes at %d, one in %d is due", kind, gap, i, even)
			}
		}
		last[kind] = i
		if i+1 == m.Total() && got != m {
			t.Errorf("%v, not %v", got, m)
		}
	}
}

var (
	shop  = types.NamespacedName{Namespace: "team-0", Name: "shop"}
	now   = time.Now()
	first = churn.Want{Kind: "ConfigMap", Name: "shop-hub", Mark: "1001"}
)

func after(ms int) time.Time { return now.Add(time.Duration(ms) * time.Millisecond) }

func TestAChangeLastsUntilItsLastChild(t *testing.T) {
	tr := churn.NewTracker()
	other := churn.Want{Kind: "Service", Name: "shop-hub"}
	if !tr.Begin(shop, []churn.Want{first, other}) || tr.Begin(shop, nil) {
		t.Fatal("one change of a stream at a time")
	}
	tr.Seen(shop, churn.Want{Kind: "Service", Name: "shop-hub", Mark: "any"}, after(5))
	tr.Answered(shop, 2, after(10))
	tr.Seen(shop, churn.Want{Kind: "ConfigMap", Name: "shop-hub", Mark: "1000"}, after(20)) // as it was before
	tr.Status(shop, 1, true, after(25))
	tr.Status(shop, 2, false, after(28))
	tr.Seen(shop, first, after(30))
	if tr.Unfinished() != 1 {
		t.Error("it is not ready yet")
	}
	tr.Status(shop, 2, true, after(50))
	tr.Status(shop, 2, true, after(70))
	if all, ready := tr.Streams(); all != 1 || ready != 1 || tr.Unfinished() != 0 {
		t.Errorf("%d streams, %d ready, %d changes unfinished", all, ready, tr.Unfinished())
	}
	applied, ready := tr.Times()
	if applied.N() != 1 || applied.Max() != 20*time.Millisecond || ready.Max() != 40*time.Millisecond {
		t.Errorf("%d changes, %v and %v", applied.N(), applied.Max(), ready.Max())
	}
	if applied, _ = tr.Times(); applied.N() != 0 {
		t.Error("it is counted twice")
	}
}

func TestAWatchMayBeFasterThanTheAnswer(t *testing.T) {
	tr := churn.NewTracker()
	tr.Begin(shop, []churn.Want{first})
	tr.Seen(shop, first, after(5))
	tr.Status(shop, 2, true, after(7))
	tr.Answered(shop, 2, after(10))
	applied, ready := tr.Times()
	if tr.Unfinished() != 0 || applied.N() != 1 || applied.Max() != 0 || ready.Max() != 0 {
		t.Errorf("%d unfinished, %d counted, %v and %v", tr.Unfinished(), applied.N(), applied.Max(), ready.Max())
	}
}

func TestWhatIsGoneIsNotWaitedFor(t *testing.T) {
	tr := churn.NewTracker()
	tr.Status(shop, 1, true, now)
	tr.Begin(shop, []churn.Want{first})
	tr.Deleted(shop)
	if all, _ := tr.Streams(); all != 0 || tr.Unfinished() != 0 {
		t.Errorf("%d streams, %d changes", all, tr.Unfinished())
	}
	tr.Begin(shop, []churn.Want{first})
	tr.Drop(shop)
	if applied, _ := tr.Times(); tr.Unfinished() != 0 || applied.N() != 0 {
		t.Errorf("%d changes, %d counted", tr.Unfinished(), applied.N())
	}
}
