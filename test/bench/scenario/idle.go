//go:build linux

package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/runnel-dev/runnel/test/bench/load"
	"github.com/runnel-dev/runnel/test/bench/process"
	"github.com/runnel-dev/runnel/test/bench/server"
)

const (
	// settle is how long after connecting readers count as being at rest.
	settle = 2 * time.Second
	// reserve of descriptors that server and client keep for themselves.
	reserve = 500
)

// idle connects readers and lets them rest.
func idle(ctx context.Context, s *server.Server, z Shape) (out Sample, err error) {
	if z.Readers, err = possible(z.Readers); err != nil {
		return out, err
	}
	readers, err := load.NewReaders(load.ReaderOptions{Addr: s.Subscribe, Header: s.Reader, Readers: z.Readers})
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, readers.Close()) }()
	before, err := process.Measure(s.PID)
	if err != nil {
		return out, err
	}
	started := time.Now()
	if err := readers.Connect(ctx); err != nil {
		return out, err
	}
	out.Connect, out.Readers, out.Before = time.Since(started), z.Readers, before.RSS
	if z.Hold == 0 {
		return out, nil
	}
	if err := readers.Rest(ctx, min(settle, z.Hold)); err != nil {
		return out, err
	}
	resting, err := process.Measure(s.PID)
	if err != nil {
		return out, err
	}
	if err := readers.Rest(ctx, z.Hold); err != nil {
		return out, err
	}
	after, err := process.Measure(s.PID)
	out.Idle, out.After, out.Hold, out.HoldCPU = resting.RSS, after.RSS, z.Hold, after.CPU-resting.CPU
	if ended := readers.Received().Ended; ended > 0 {
		out.Faults = fmt.Errorf("%d connections were ended by the server", ended)
	}
	return out, err
}

// possible is how many readers the limit of open files lets both sides hold.
func possible(readers int) (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("RLIMIT_NOFILE: %w", err)
	}
	if limit.Max <= 2*reserve {
		return 0, fmt.Errorf("RLIMIT_NOFILE is %d: raise it to %d", limit.Max, readers+reserve)
	}
	return min(readers, int(limit.Max)-reserve), nil
}
