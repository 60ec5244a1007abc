//go:build linux

package scenario

import (
	"context"
	"errors"

	"github.com/runnel-dev/runnel/test/bench/load"
	"github.com/runnel-dev/runnel/test/bench/server"
)

// publishing has no readers.
func publishing(ctx context.Context, s *server.Server, z Shape) (out Sample, err error) {
	p, err := publish(s, z)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	warmup := course(z, z.Warmup)
	warm, err := p.Publish(ctx, warmup, 0, warmup.Count)
	if err != nil {
		return out, err
	}
	if out.Faults = warm.Faults(); out.Faults != nil {
		return out, nil
	}
	out.Result.Published, out.CPU, err = measured(s, func() (load.Published, error) {
		return p.Publish(ctx, warmup.Next(z.Events), 0, z.Events)
	})
	out.Faults = out.Result.Published.Faults()
	return out, err
}
