//go:build linux

package scenario

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/runnel-dev/runnel/test/bench/load"
	"github.com/runnel-dev/runnel/test/bench/server"
)

// storm has readers come back at once, each of whom missed the same events, while others go on reading. All of them are held
// by threads of the same core: what the live readers wait for includes the client's own work for those who come back.
func storm(ctx context.Context, s *server.Server, z Shape) (out Sample, err error) {
	live, err := load.NewReaders(load.ReaderOptions{Addr: s.Subscribe, Header: s.Reader, Readers: z.Live})
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, live.Close()) }()
	if err := live.Connect(ctx); err != nil {
		return out, err
	}
	cursor, err := leave(ctx, s, z)
	if err != nil {
		return out, err
	}
	header := s.Reader.Clone()
	header.Set("Last-Event-ID", cursor)
	var caughtUp time.Time
	back, err := load.NewReaders(load.ReaderOptions{
		Addr: s.Subscribe, Header: header, Readers: z.Readers, Opening: z.Readers, Backlog: z.Missed,
		CaughtUp: func() { caughtUp = time.Now(); live.Record(false) },
	})
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, back.Close()) }()
	began, err := comeBack(ctx, s, z, live, back, &out)
	if err != nil {
		return out, err
	}
	out.Faults = errors.Join(out.Result.Faults(), back.Received().Faults())
	if caughtUp.IsZero() {
		out.Faults = errors.Join(out.Faults, errors.New("not all readers caught up"))
	}
	out.CaughtUp = caughtUp.Sub(began)
	return out, nil
}

// leave connects the readers, lets them read, and cuts them off. It returns the cursor that all of them stand at.
func leave(ctx context.Context, s *server.Server, z Shape) (cursor string, err error) {
	shape := z
	shape.Rate = 0
	c, err := connect(ctx, s, shape)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	warm, err := load.Run(ctx, c.readers, c.publisher, course(z, z.Warmup))
	if err := errors.Join(err, warm.Faults()); err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://"+s.Subscribe+"/v1/topics/"+load.TopicName(0)+"/events", nil)
	if err != nil {
		return "", err
	}
	r.Header = s.Reader.Clone()
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return "", err
	}
	cursor = answer.Header.Get("Runnel-Cursor")
	if answer.StatusCode != http.StatusOK || cursor == "" {
		err = fmt.Errorf("the cursor is not known: status %s", answer.Status)
	}
	return cursor, errors.Join(err, answer.Body.Close())
}

// comeBack publishes what the readers miss, and has them come back while more is published. It returns when they began to.
func comeBack(ctx context.Context, s *server.Server, z Shape, live, back *load.Readers, out *Sample) (began time.Time, err error) {
	shape := z
	shape.Rate = 0
	missing, err := publish(s, shape)
	if err != nil {
		return began, err
	}
	defer func() { err = errors.Join(err, missing.Close()) }()
	going, err := publish(s, z)
	if err != nil {
		return began, err
	}
	defer func() { err = errors.Join(err, going.Close()) }()

	c := course(z, z.Warmup).Next(z.Missed + z.Events)
	live.Record(false)
	live.Expect(c)
	back.Expect(c)
	published, received := make(chan struct{}), make(chan error, 1)
	go func() { received <- live.Receive(ctx, published) }()
	missed, err := missing.Publish(ctx, c, 0, z.Missed)
	if err := errors.Join(err, missed.Faults()); err != nil {
		close(published)
		return began, errors.Join(err, <-received)
	}
	live.Record(true)
	began = time.Now()
	returned := make(chan error, 1)
	go func() { returned <- errors.Join(back.Connect(ctx), back.Receive(ctx, published)) }()
	out.Result.Published, err = going.Publish(ctx, c, z.Missed, c.Count)
	close(published)
	err = errors.Join(err, <-received, <-returned)
	out.Result.Received, out.Readers = live.Received(), z.Readers
	return began, err
}
