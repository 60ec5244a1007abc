package scale_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/runnel-dev/runnel/test/platform"
	"github.com/runnel-dev/runnel/test/scale"
	"github.com/runnel-dev/runnel/test/scale/churn"
)

// patience bounds what takes less than a minute on two cores that are free.
const patience = 5 * time.Minute

// The harness in small. It looks at counts alone: times are those of the machine.
func TestASettledOperatorWritesNothing(t *testing.T) {
	log.SetLogger(logr.Discard())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	bin, err := platform.Programs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f, err := scale.Run(ctx, scale.Options{
		Bin: bin, Dir: dir, Sizes: []int{50, 100}, Rates: []float64{25}, Churn: 6 * time.Second, Settled: 3 * time.Second,
	}, t.Logf)
	if err != nil {
		said, _ := os.ReadFile(filepath.Join(dir, "operator.log")) // which goes with the test
		t.Fatalf("%v\n%s", err, said)
	}
	for what, q := range map[string]scale.Quiet{"when settled": f.Settled, "at a cold start": f.Cold} {
		if n := q.Calls.Writes(); n != 0 || q.Streams != 100 {
			t.Errorf("%d writes %s of %d streams: %v", n, what, q.Streams, q.Calls)
		}
	}
	if n := f.Cold.Calls[scale.Kind{Verb: "watch", Resource: "eventstreams"}]; n != 1 {
		t.Errorf("the operator was not started anew: %v", f.Cold.Calls)
	}
	// The mix of 150 changes, each carried out in the one way that it can be. A slow machine leaves some out.
	c := f.Churns[0]
	if c.Counts.Total()+c.Skipped != churn.Published.Total() || c.Counts[churn.Configure] == 0 || c.Errors != 0 {
		t.Errorf("sent %v, %d left out, %v reconciliations failed", c.Counts, c.Skipped, c.Errors)
	}
	for kind, least := range map[scale.Kind]int{
		{Verb: "patch", Resource: "configmaps"}:      c.Counts[churn.Configure] + c.Counts[churn.Create],
		{Verb: "patch", Resource: "deployments"}:     c.Counts[churn.Roll] + c.Counts[churn.Create],
		{Verb: "patch", Resource: "services"}:        3 * c.Counts[churn.Create],
		{Verb: "patch", Resource: "serviceaccounts"}: c.Counts[churn.Create],
		{Verb: "create", Resource: "events"}:         c.Counts[churn.Create],
	} {
		if c.Calls[kind] < least {
			t.Errorf("%d times %s %s, at least %d were needed", c.Calls[kind], kind.Verb, kind.Resource, least)
		}
	}
	for _, size := range f.Sizes {
		if size.Live <= 0 || size.InUse < size.Live || size.RSS < size.Live {
			t.Errorf("%+v", size)
		}
	}
}
