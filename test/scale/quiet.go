package scale

import (
	"context"
	"fmt"
	"time"
)

// settled watches the operator when nothing changes.
func (c *cluster) settled(ctx context.Context, d time.Duration) (q Quiet, err error) {
	before, begin := c.calls.now(), time.Now()
	used, err := c.manager.Usage()
	if err != nil {
		return q, err
	}
	select {
	case <-ctx.Done():
		return q, ctx.Err()
	case <-time.After(d):
	}
	after, err := c.manager.Usage()
	return Quiet{Streams: c.load.Streams(), Elapsed: time.Since(begin), Calls: c.calls.now().Since(before), Operator: after.CPU - used.CPU}, err
}

// cold starts the operator anew.
func (c *cluster) cold(ctx context.Context) (q Quiet, err error) {
	if err := c.stopOperator(); err != nil {
		return q, err
	}
	before := c.calls.now()
	if err := c.startOperator(ctx); err != nil {
		return q, err
	}
	q.Streams = c.load.Streams()
	watching := c.watchMemory(ctx)
	err = c.Until(ctx, "not every stream was reconciled", func(ctx context.Context) (string, bool, error) {
		m, err := c.manager.Metrics(ctx)
		q.Elapsed = time.Since(c.manager.Started)
		return fmt.Sprintf("%v reconciliations, %v queued", m.Reconciled, m.Waiting), m.Reconciled >= float64(q.Streams) && m.Idle(), err
	})
	if q.Peak = watching(); err != nil {
		return q, err
	}
	used, err := c.manager.Usage()
	if err != nil {
		return q, err
	}
	q.Operator = used.CPU
	_, err = c.settled(ctx, afterwards)
	q.Calls = c.calls.now().Since(before)
	return q, err
}
