package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/runnel-dev/runnel/test/sse"
)

// reader is a subscriber that comes back with its last id, as an EventSource does.
type reader struct {
	url    string
	last   string // id
	stream *sse.Stream
}

// connect opens the stream, behind the last event that was seen if any, and returns what `runnel-open` says.
func (r *reader) connect(ctx context.Context) (resume string, err error) {
	if r.stream, err = sse.Open(ctx, r.url, sse.LastEventID(r.last)); err != nil {
		return "", err
	}
	open, err := r.stream.Next(ctx)
	if err != nil {
		return "", err
	}
	var said struct{ Resume string }
	if err := json.Unmarshal([]byte(open.Data), &said); err != nil || open.Type != "runnel-open" {
		return "", fmt.Errorf("the stream began with %q %q instead of runnel-open", open.Type, open.Data)
	}
	return said.Resume, nil
}

// cut waits for the end of a connection that was cut, and keeps its last id.
func (r *reader) cut(ctx context.Context) error {
	e, err := r.stream.Next(ctx)
	switch {
	case err == nil:
		return fmt.Errorf("an event came instead of the cut: %+v", e)
	case ctx.Err() != nil:
		return err
	}
	r.last = r.stream.LastEventID()
	r.close()
	return nil
}

// close ends the connection, if there is one.
func (r *reader) close() {
	if r.stream != nil {
		r.stream.Close()
	}
}

// expect receives exactly the numbers from first to last, in order.
func (r *reader) expect(ctx context.Context, first, last int) error {
	for n := first; n <= last; n++ {
		e, err := r.stream.Next(ctx)
		if err != nil {
			return errors.Join(fmt.Errorf("event %d did not come", n), err)
		}
		if want := fmt.Sprintf(`{"n":%d}`, n); e.Data != want {
			return fmt.Errorf("received %q %s instead of %s", e.Type, e.Data, want)
		}
	}
	return nil
}
