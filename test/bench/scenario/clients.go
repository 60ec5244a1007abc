//go:build linux

package scenario

import (
	"context"
	"errors"
	"time"

	"github.com/runnel-dev/runnel/test/bench/load"
	"github.com/runnel-dev/runnel/test/bench/server"
)

// clients are the readers and the publisher of a server.
type clients struct {
	readers   *load.Readers
	publisher *load.Publisher
}

func connect(ctx context.Context, s *server.Server, z Shape) (*clients, error) {
	readers, err := load.NewReaders(load.ReaderOptions{Addr: s.Subscribe, Header: s.Reader, Readers: z.Readers, Topics: z.Topics})
	if err != nil {
		return nil, err
	}
	if err := readers.Connect(ctx); err != nil {
		return nil, errors.Join(err, readers.Close())
	}
	publisher, err := publish(s, z)
	if err != nil {
		return nil, errors.Join(err, readers.Close())
	}
	return &clients{readers, publisher}, nil
}

func publish(s *server.Server, z Shape) (*load.Publisher, error) {
	return load.NewPublisher(load.PublisherOptions{
		Addr: s.Publish, Header: s.Publisher, Topics: z.Topics, InFlight: z.InFlight, Rate: z.Rate, Lines: z.Lines, IDs: z.IDs,
	})
}

func (c *clients) close() error { return errors.Join(c.readers.Close(), c.publisher.Close()) }

// course of so many events, the first on a server.
func course(z Shape, events int) load.Course {
	return load.Course{Start: time.Now(), Topics: max(z.Topics, 1), Count: events}
}
