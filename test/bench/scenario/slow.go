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

const (
	// slowWindow is the receive buffer of a slow reader: a small one, so that its connection is full soon.
	slowWindow = 4 << 10
	// slowBytes every slowInterval are what half of the slow readers take; the others take nothing.
	slowBytes    = 1 << 10
	slowInterval = 100 * time.Millisecond
)

// slow floods fast readers alone, and then together with slow ones, who take a kilobyte ten times a second, or nothing at all.
func slow(ctx context.Context, s *server.Server, z Shape) (out Sample, err error) {
	fast, err := connect(ctx, s, z)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, fast.close()) }()
	warmup := course(z, z.Warmup)
	warm, err := load.Run(ctx, fast.readers, fast.publisher, warmup)
	if err != nil {
		return out, err
	}
	first := warmup.Next(z.Events)
	alone, err := load.Run(ctx, fast.readers, fast.publisher, first)
	if err != nil {
		return out, err
	}
	before, err := process.Measure(s.PID)
	if err != nil {
		return out, err
	}
	second := first.Next(z.Events)
	end, err := joined(ctx, s, z, second)
	if err != nil {
		return out, err
	}
	var failed error
	out.Result, out.CPU, failed = measured(s, func() (load.Result, error) { return load.Run(ctx, fast.readers, fast.publisher, second) })
	after, err := process.Measure(s.PID)
	cut, faults := end()
	out.Alone, out.Before, out.After, out.Cut = alone.DeliveriesPerSecond(), before.RSS, after.RSS, cut
	out.Faults = errors.Join(named("before", warm.Faults()), named("alone", alone.Faults()), named("among slow ones", out.Result.Faults()), faults)
	return out, errors.Join(err, failed)
}

// joined lets slow readers in. The function that it returns ends them, and returns how many were cut by the server, and what was
// wrong with what they got: some events are missing, of course, but none may come twice.
func joined(ctx context.Context, s *server.Server, z Shape, c load.Course) (end func() (cut int, faults error), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var groups []*load.Readers
	ended := make(chan error)
	end = func() (cut int, faults error) {
		cancel()
		for range groups {
			if err := <-ended; !errors.Is(err, context.Canceled) {
				faults = errors.Join(faults, err)
			}
		}
		for _, g := range groups {
			r := g.Received()
			cut += r.Ended
			if r.Doubled+r.Stray > 0 {
				faults = errors.Join(faults, fmt.Errorf("slow readers got %d events twice and %d of another topic", r.Doubled, r.Stray))
			}
			faults = errors.Join(faults, g.Close())
		}
		return cut, faults
	}
	for _, pace := range []load.Pace{{Bytes: slowBytes, Every: slowInterval, Window: slowWindow}, {Window: slowWindow}} {
		g, err := load.NewReaders(load.ReaderOptions{Addr: s.Subscribe, Header: s.Reader, Readers: max(z.Slow/2, 1), Slow: &pace})
		if err != nil {
			_, faults := end()
			return nil, errors.Join(err, faults)
		}
		g.Expect(c)
		failed := g.Connect(ctx)
		groups = append(groups, g)
		go func() { ended <- g.Rest(ctx, time.Hour) }()
		if failed != nil {
			_, faults := end()
			return nil, errors.Join(failed, faults)
		}
	}
	return end, nil
}

func named(when string, faults error) error {
	if faults == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", when, faults)
}
