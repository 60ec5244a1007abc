// Package scale runs the operator with thousands of streams in a sandbox, and measures what it takes: memory by the number of
// streams, times while streams are changed all the time, and what it writes when there is nothing to do.
package scale

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/runnel-dev/runnel/test/scale/churn"
)

// Options say what is run.
type Options struct {
	// Bin is the directory with the built programs.
	Bin string
	// OperatorArgs are further flags of the operator.
	OperatorArgs []string
	// Dir takes the operator's log and, if Profiles, profiles of its heap, and of its CPU and this process's.
	Dir      string
	Profiles bool
	// Sizes are numbers of streams, in ascending order. All but the memory is measured at the last one.
	Sizes []int
	// Rates of changes a second, one after the other, each for the time Churn.
	Rates []float64
	Churn time.Duration
	// Changes, if not 0, are made before those, as fast as the operator carries them out; their rate is 0.
	Changes int
	// Settled is for how long the operator is watched when nothing changes.
	Settled time.Duration
}

// Size is what a number of settled streams takes.
type Size struct {
	Streams int
	// Live is the operator's heap after a garbage collection, InUse with what waits for the next one, RSS the process's
	// memory; in bytes.
	Live, InUse, RSS float64
	// Grew is how long it took until all were ready that were not there at the size before.
	Grew time.Duration
}

// Churn is what happened while streams were changed.
type Churn struct {
	churn.Sent
	// Rate that was asked for, on a machine with so many Cores.
	Rate  float64
	Cores int
	// Applied is from the API server's answer until the last child with the change was seen, Ready until the status said so.
	Applied, Ready Times
	// Queued is for how long streams waited in the operator's queue, Reconcile for how long they were worked on.
	Queued, Reconcile Times
	// Reconciles and Errors count.
	Reconciles, Errors float64
	// Calls of the operator, and Others of the load, the cluster's controllers and the node.
	Calls, Others Calls
	// Peak is the most memory that was seen, once a second.
	Peak Size
	// Operator and Sandbox are the CPU time of the operator, and of API server, node, stand-ins and load together; until all
	// was ready, which took Elapsed.
	Operator, Sandbox, Elapsed time.Duration
	// Elsewhere is the CPU time of all other programs of the machine.
	Elsewhere time.Duration
}

// Times of many.
type Times struct{ P50, P99 time.Duration }

// Quiet is a time in which nothing was to be done.
type Quiet struct {
	Streams int
	Elapsed time.Duration
	Calls   Calls
	// Operator is its CPU time.
	Operator time.Duration
	Peak     Size
}

// Figures of a whole run.
type Figures struct {
	Sizes  []Size
	Churns []Churn
	// Cold is from the start of the operator's process until every settled stream was reconciled; its calls are those of ten
	// more seconds too.
	Cold    Quiet
	Settled Quiet
}

const (
	// idleLooks is the number of looks at which the operator must be idle to count as idle. They take 2 s, which is longer than the operator
	// waits after the first nudge of a hub. Time alone would not do: the operator may stand still for as long.
	idleLooks = 40
	// afterwards is for how long calls are counted after a cold start.
	afterwards = 10 * time.Second
)

// Run makes a sandbox and measures. say is told how far it is.
func Run(ctx context.Context, o Options, say func(format string, args ...any)) (f Figures, err error) {
	c, err := newCluster(ctx, o)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.startOperator(ctx); err != nil {
		return f, err
	}
	for _, n := range append([]int{0}, o.Sizes...) {
		s, err := c.grow(ctx, n, o)
		if err != nil {
			return f, fmt.Errorf("%d streams: %w", n, err)
		}
		f.Sizes = append(f.Sizes, s)
		say("%d streams: %.1f MB live, %.1f MB in use, %.1f MB resident; ready after %v", n, s.Live/1e6, s.InUse/1e6, s.RSS/1e6, s.Grew)
	}
	if f.Settled, err = c.settled(ctx, o.Settled); err != nil {
		return f, fmt.Errorf("settled: %w", err)
	}
	say("settled for %v: %d writes, %v of CPU", f.Settled.Elapsed, f.Settled.Calls.Writes(), f.Settled.Operator)
	if f.Cold, err = c.cold(ctx); err != nil {
		return f, fmt.Errorf("cold start: %w", err)
	}
	say("cold start: %v, %d writes, %v of CPU", f.Cold.Elapsed, f.Cold.Calls.Writes(), f.Cold.Operator)
	type load struct {
		rate    float64
		changes int
	}
	var loads []load
	if o.Changes > 0 {
		loads = append(loads, load{0, o.Changes})
	}
	for _, rate := range o.Rates {
		loads = append(loads, load{rate, int(rate * o.Churn.Seconds())})
	}
	for _, l := range loads {
		rate := l.rate
		s, err := c.churn(ctx, o, rate, l.changes)
		if err != nil {
			return f, fmt.Errorf("%.0f changes/s: %w", rate, err)
		}
		f.Churns = append(f.Churns, s)
		say("%.0f changes/s asked, %d sent in %v: p99 %v in the queue, %v until applied; all ready after %v", rate, s.Counts.Total(), s.Sent.Elapsed, s.Queued.P99, s.Applied.P99, s.Elapsed)
	}
	return f, c.hubs.Err()
}

// grow makes streams until there are n, waits until all are ready and the operator is idle, and looks at its memory.
func (c *cluster) grow(ctx context.Context, n int, o Options) (s Size, err error) {
	begin := time.Now()
	if _, err := c.load.Grow(ctx, n); err != nil {
		return s, err
	}
	if err := c.allReady(ctx); err != nil {
		return s, err
	}
	s.Grew = time.Since(begin)
	if err := c.idle(ctx); err != nil {
		return s, err
	}
	c.tracker.Times()
	if err := c.manager.Collect(ctx); err != nil {
		return s, err
	}
	if o.Profiles {
		path := filepath.Join(o.Dir, fmt.Sprintf("heap-%d.pprof", n))
		if err := writeTo(path, func(f *os.File) error { return c.manager.Profile(ctx, f) }); err != nil {
			return s, err
		}
	}
	m, err := c.memory(ctx)
	m.Streams, m.Grew = n, s.Grew
	return m, err
}

// memory is what the operator holds now.
func (c *cluster) memory(ctx context.Context) (Size, error) {
	m, err := c.manager.Metrics(ctx)
	if err != nil {
		return Size{}, err
	}
	u, err := c.manager.Usage()
	return Size{Live: m.Live, InUse: m.InUse, RSS: float64(u.RSS)}, err
}

// allReady waits until every stream is ready and every change has come to its children.
func (c *cluster) allReady(ctx context.Context) error {
	return c.Until(ctx, "not all streams are ready", func(context.Context) (string, bool, error) {
		all, ready := c.tracker.Streams()
		unfinished := c.tracker.Unfinished()
		return fmt.Sprintf("%d of %d, %d changes unfinished", ready, all, unfinished), ready == c.load.Streams() && all == ready && unfinished == 0, c.hubs.Err()
	})
}

// idle waits until the operator has had nothing to do, and has written nothing, for a while: it writes events in the background.
func (c *cluster) idle(ctx context.Context) error {
	looks, before, written := 0, -1.0, -1
	return c.Until(ctx, "the operator is not idle", func(ctx context.Context) (string, bool, error) {
		m, err := c.manager.Metrics(ctx)
		if err != nil {
			return "", false, err
		}
		if writes := c.calls.now().Writes(); !m.Idle() || m.Reconciled != before || writes != written {
			looks, before, written = 0, m.Reconciled, writes
		}
		looks++
		return fmt.Sprintf("%v queued, %v worked on", m.Waiting, m.Working), looks >= idleLooks, nil
	})
}
