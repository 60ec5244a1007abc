package scale

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/runnel-dev/runnel/test/bench/process"
	"github.com/runnel-dev/runnel/test/scale/churn"
	"github.com/runnel-dev/runnel/test/scale/manager"
)

// churn makes so many changes at a rate, and waits until all of them have been carried out.
func (c *cluster) churn(ctx context.Context, o Options, rate float64, changes int) (out Churn, err error) {
	out.Rate, out.Cores = rate, runtime.NumCPU()
	if err := c.idle(ctx); err != nil {
		return out, err
	}
	before, err := c.manager.Metrics(ctx)
	if err != nil {
		return out, err
	}
	calls, others, begin := c.calls.now(), c.calls.nowOthers(), time.Now()
	operator, err := c.manager.Usage()
	if err != nil {
		return out, err
	}
	own, err := process.CPU(os.Getpid())
	if err != nil {
		return out, err
	}
	all, err := busy()
	if err != nil {
		return out, err
	}
	watching := c.watchMemory(ctx)
	profiled := c.profileCPU(ctx, o, fmt.Sprintf("%.0f", rate))
	out.Sent, err = c.load.Run(ctx, churn.Published, rate, changes)
	err = errors.Join(err, profiled())
	if err == nil {
		err = c.allReady(ctx)
	}
	out.Peak, out.Elapsed = watching(), time.Since(begin)
	if err != nil {
		return out, err
	}
	after, err := c.manager.Metrics(ctx)
	if err != nil {
		return out, err
	}
	operatorAfter, err := c.manager.Usage()
	if err != nil {
		return out, err
	}
	ownAfter, err := process.CPU(os.Getpid())
	if err != nil {
		return out, err
	}
	allAfter, err := busy()
	if err == nil {
		err = c.idle(ctx) // it has written its events then
	}
	out.Operator, out.Sandbox = operatorAfter.CPU-operator.CPU, ownAfter-own
	out.Elsewhere = max(0, allAfter-all-out.Operator-out.Sandbox)
	applied, ready := c.tracker.Times()
	out.Applied, out.Ready = Times{applied.Quantile(0.5), applied.Quantile(0.99)}, Times{ready.Quantile(0.5), ready.Quantile(0.99)}
	out.Queued, out.Reconcile = since(before.Queued, after.Queued), since(before.Took, after.Took)
	out.Reconciles, out.Errors = after.Reconciled-before.Reconciled, after.Errors-before.Errors
	out.Calls, out.Others = c.calls.now().Since(calls), c.calls.nowOthers().Since(others)
	return out, err
}

func since(before, after manager.Histogram) Times {
	seconds := func(q float64) time.Duration {
		return time.Duration(after.QuantileSince(before, q) * float64(time.Second))
	}
	return Times{seconds(0.5), seconds(0.99)}
}

// watchMemory looks at the operator's memory once a second until the returned function is called, which tells the most.
func (c *cluster) watchMemory(ctx context.Context) func() Size {
	ctx, stop := context.WithCancel(ctx)
	m, most, done := c.manager, Size{}, make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			now, err := m.Metrics(ctx)
			used, usageErr := m.Usage()
			if err == nil && usageErr == nil {
				most.Live, most.InUse, most.RSS = max(most.Live, now.Live), max(most.InUse, now.InUse), max(most.RSS, float64(used.RSS))
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return func() Size {
		stop()
		<-done
		return most
	}
}

// profileCPU has profiles of the operator and of this process written, if they are wanted, until the returned function is called.
func (c *cluster) profileCPU(ctx context.Context, o Options, name string) func() error {
	if !o.Profiles {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() {
		done <- writeTo(filepath.Join(o.Dir, "operator-"+name+".pprof"), func(f *os.File) error { return c.manager.CPU(ctx, o.Churn, f) })
	}()
	own, err := os.Create(filepath.Join(o.Dir, "sandbox-"+name+".pprof"))
	if err == nil {
		err = pprof.StartCPUProfile(own)
	}
	return func() error {
		pprof.StopCPUProfile()
		return errors.Join(err, own.Close(), <-done)
	}
}

// writeTo makes a file.
func writeTo(path string, write func(*os.File) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
