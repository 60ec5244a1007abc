package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// eventTimeout bounds the wait for one event.
const eventTimeout = 10 * time.Second

// event is what a browser would make of a block of the stream.
type event struct{ kind, id, data string }

// reader is a subscriber of one topic that remembers its last id, as an EventSource does.
type reader struct {
	url    string
	last   string // id
	events chan event
	over   chan struct{} // closed when the connection has ended
	why    error         // of the end; read after over
	cancel context.CancelFunc
}

// connect opens the stream, behind the last event that was seen if any, and returns what `runnel-open` says.
func (r *reader) connect(ctx context.Context) (resume string, err error) {
	ctx, r.cancel = context.WithCancel(ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept", "text/event-stream")
	if r.last != "" {
		request.Header.Set("Last-Event-ID", r.last)
	}
	answer, err := do(request)
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		_ = answer.Body.Close()
		return "", fmt.Errorf("GET %s: %s", r.url, answer.Status)
	}
	r.events, r.over = make(chan event), make(chan struct{})
	go func(events chan<- event, over chan<- struct{}) {
		defer close(over)
		defer func() { _ = answer.Body.Close() }()
		r.why = read(ctx, bufio.NewScanner(answer.Body), events)
	}(r.events, r.over)
	open, err := r.next(ctx)
	if err != nil {
		return "", err
	}
	var said struct{ Resume string }
	if err := json.Unmarshal([]byte(open.data), &said); err != nil || open.kind != "runnel-open" {
		return "", fmt.Errorf("the stream began with %q %q instead of runnel-open", open.kind, open.data)
	}
	return said.Resume, nil
}

// do sends a request, again while the connection is refused: a Service's proxy follows its pods a moment
// later, here as in a cluster.
func do(r *http.Request) (answer *http.Response, err error) {
	waitErr := wait.PollUntilContextTimeout(r.Context(), poll, eventTimeout, true, func(context.Context) (bool, error) {
		answer, err = http.DefaultClient.Do(r)
		return !errors.Is(err, syscall.ECONNREFUSED), nil
	})
	return answer, cmp.Or(err, waitErr)
}

// close ends the connection and waits for its goroutine.
func (r *reader) close() {
	r.cancel()
	<-r.over
}

// next returns the next event and keeps its id.
func (r *reader) next(ctx context.Context) (event, error) {
	t := time.NewTimer(eventTimeout)
	defer t.Stop()
	select {
	case e := <-r.events:
		if e.id != "" {
			r.last = e.id
		}
		return e, nil
	case <-r.over:
		return event{}, fmt.Errorf("the stream ended: %w", r.why)
	case <-t.C:
		return event{}, fmt.Errorf("no event within %s", eventTimeout)
	case <-ctx.Done():
		return event{}, ctx.Err()
	}
}

// cut waits for the end of a connection that was cut.
func (r *reader) cut(ctx context.Context) error {
	e, err := r.next(ctx)
	if err == nil {
		return fmt.Errorf("an event came instead of the cut: %+v", e)
	}
	r.cancel()
	return ctx.Err()
}

// expect receives exactly the numbers from first to last, in order.
func (r *reader) expect(ctx context.Context, first, last int) error {
	for n := first; n <= last; n++ {
		e, err := r.next(ctx)
		if err != nil {
			return fmt.Errorf("event %d: %w", n, err)
		}
		if want := fmt.Sprintf(`{"n":%d}`, n); e.data != want {
			return fmt.Errorf("received %q %s instead of %s", e.kind, e.data, want)
		}
	}
	return nil
}

// read parses blocks until the stream ends, which is always with an error here.
func read(ctx context.Context, lines *bufio.Scanner, out chan<- event) error {
	var e event
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.kind = value
		case "id":
			e.id = value
		case "data":
			e.data += value
		}
		if lines.Text() == "" && e != (event{}) {
			select {
			case out <- e:
			case <-ctx.Done():
				return ctx.Err()
			}
			e = event{}
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return fmt.Errorf("orderly end")
}
