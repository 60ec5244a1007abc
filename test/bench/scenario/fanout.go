//go:build linux

package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/runnel-dev/runnel/test/bench/load"
	"github.com/runnel-dev/runnel/test/bench/process"
	"github.com/runnel-dev/runnel/test/bench/server"
)

// fanout publishes to connected readers.
func fanout(ctx context.Context, s *server.Server, z Shape) (out Sample, err error) {
	c, err := connect(ctx, s, z)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	warmup := course(z, z.Warmup)
	warm, err := load.Run(ctx, c.readers, c.publisher, warmup)
	if err != nil {
		return out, err
	}
	if out.Faults = warm.Faults(); out.Faults != nil {
		return out, nil
	}
	if out.Result, out.CPU, err = measured(s, func() (load.Result, error) {
		return load.Run(ctx, c.readers, c.publisher, warmup.Next(z.Events))
	}); err != nil {
		return out, err
	}
	out.Faults = out.Result.Faults()
	// Events of one topic that were never in flight together must come as they were sent.
	if out.Result.Late > 0 && (z.InFlight <= 1 || z.Topics > z.InFlight) && z.Rate == 0 {
		out.Faults = errors.Join(out.Faults, fmt.Errorf("%d deliveries came after a later one", out.Result.Late))
	}
	return out, nil
}

// measured returns what the server uses while f runs.
func measured[T any](s *server.Server, f func() (T, error)) (out T, used time.Duration, err error) {
	before, err := process.CPU(s.PID)
	if err != nil {
		return out, 0, err
	}
	if out, err = f(); err != nil {
		return out, 0, err
	}
	after, err := process.CPU(s.PID)
	return out, after - before, err
}
