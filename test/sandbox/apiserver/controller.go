package apiserver

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/util/workqueue"
)

// Retries of this package's controllers start quickly, since tests wait for them, and never pause for long.
const (
	firstRetry = 5 * time.Millisecond
	lastRetry  = time.Second
)

// work is a queue of keys and the function that handles one.
type work[K comparable] struct {
	queue  workqueue.TypedRateLimitingInterface[K]
	handle func(context.Context, K) error
}

func newWork[K comparable](handle func(context.Context, K) error) *work[K] {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[K](firstRetry, lastRetry)
	return &work[K]{queue: workqueue.NewTypedRateLimitingQueue(limiter), handle: handle}
}

// laterError has a key come again after a time of its own.
type laterError struct{ after time.Duration }

// Error implements error.
func (e *laterError) Error() string { return "look again after " + e.after.String() }

// run handles keys with a number of workers until ctx ends; a key that fails comes again later.
func (w *work[K]) run(ctx context.Context, workers int) {
	var g errgroup.Group
	for range workers {
		g.Go(func() error {
			for w.next(ctx) {
			}
			return nil
		})
	}
	<-ctx.Done()
	w.queue.ShutDown()
	_ = g.Wait() // no worker fails
}

func (w *work[K]) next(ctx context.Context) bool {
	key, stop := w.queue.Get()
	if stop {
		return false
	}
	defer w.queue.Done(key)
	err := w.handle(ctx, key)
	var later *laterError
	switch {
	case errors.As(err, &later):
		w.queue.Forget(key)
		w.queue.AddAfter(key, later.after)
	case err != nil:
		w.queue.AddRateLimited(key)
	default:
		w.queue.Forget(key)
	}
	return true
}
