package scale_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/runnel-dev/runnel/test/platform"
	"github.com/runnel-dev/runnel/test/scale"
	"github.com/runnel-dev/runnel/test/scale/churn"
)

// patience bounds what takes less than a minute on two cores that are free.
const patience = 15 * time.Minute

// said returns the last lines of a log, and the name of a file that keeps all of it: the log's own directory goes with the test.
func said(t *testing.T, path string) string {
	t.Helper()
	const lines = 20
	log, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	kept := filepath.Join(platform.Root(), "bin", "failed", "scale-operator.log")
	if err := errors.Join(os.MkdirAll(filepath.Dir(kept), 0o755), os.WriteFile(kept, log, 0o644)); err != nil {
		t.Error(err)
	}
	all := strings.SplitAfter(string(log), "\n")
	return fmt.Sprintf("%sall of it is in %s", strings.Join(all[max(0, len(all)-lines-1):], ""), kept)
}

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
		Bin: bin, Dir: dir, Sizes: []int{50, 100}, Changes: churn.Published.Total(), Settled: 3 * time.Second,
	}, t.Logf)
	if err != nil {
		t.Fatalf("%v\n%s", err, said(t, filepath.Join(dir, "operator.log")))
	}
	for what, q := range map[string]scale.Quiet{"when settled": f.Settled, "at a cold start": f.Cold} {
		if n := q.Calls.Writes(); n != 0 || q.Streams != 100 {
			t.Errorf("%d writes %s of %d streams: %v", n, what, q.Streams, q.Calls)
		}
	}
	if n := f.Cold.Calls[scale.Kind{Verb: "watch", Resource: "eventstreams"}]; n != 1 {
		t.Errorf("the operator was not started anew: %v", f.Cold.Calls)
	}
	// The mix of 150 changes, each carried out in the one way that it can be.
	c := f.Churns[0]
	if c.Counts != churn.Published || c.Skipped != 0 || c.Errors != 0 {
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
