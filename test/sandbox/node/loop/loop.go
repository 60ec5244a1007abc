// Package loop calls a function for each key of a queue: the skeleton that every controller of the node shares.
package loop

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/util/workqueue"
)

const (
	firstRetry = 5 * time.Millisecond // the delay that Kubernetes' own controllers begin with
	// lastRetry is far below Kubernetes' 1000 s: somebody who plays with the sandbox is waiting for it.
	lastRetry = 5 * time.Second
)

// Sync brings the object named key (namespace/name) closer to what is wanted. It is called again after the returned
// time if that is positive, and with growing delays from 5 ms to 5 s as long as it fails. No two calls run for one key
// at the same time.
type Sync func(ctx context.Context, key string) (time.Duration, error)

// Loop is a queue of keys and the function that is called for them. Add may be called by many at once, before Run too.
type Loop struct {
	queue  workqueue.TypedRateLimitingInterface[string]
	sync   Sync
	log    logr.Logger
	gather time.Duration
}

// New returns a Loop that does nothing until Run.
func New(log logr.Logger, sync Sync) *Loop {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, lastRetry)
	return &Loop{queue: workqueue.NewTypedRateLimitingQueue(limiter), sync: sync, log: log}
}

// Gather has each call wait so long after the first addition, so that more of them are one. It is to be called before Add.
func (l *Loop) Gather(d time.Duration) { l.gather = d }

// Add asks for a call for key; several additions before that call are one.
func (l *Loop) Add(key string) { l.queue.AddAfter(key, l.gather) }

// AddAfter asks for a call for key after d.
func (l *Loop) AddAfter(key string, d time.Duration) { l.queue.AddAfter(key, d) }

// Run calls the function from so many goroutines, and returns when ctx is done and all of them have ended.
func (l *Loop) Run(ctx context.Context, workers int) {
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for l.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	l.queue.ShutDown()
	all.Wait()
}

func (l *Loop) next(ctx context.Context) bool {
	key, stopped := l.queue.Get()
	if stopped {
		return false
	}
	defer l.queue.Done(key)
	if ctx.Err() != nil {
		return true // empties the queue, which ends only then
	}
	again, err := l.sync(ctx, key)
	switch {
	case err != nil && ctx.Err() == nil:
		l.log.V(1).Info("Will be tried again", "key", key, "reason", err.Error())
		l.queue.AddRateLimited(key)
	case again > 0:
		l.queue.Forget(key)
		l.queue.AddAfter(key, again)
	default:
		l.queue.Forget(key)
	}
	return true
}
