// Package interrupt lets signals end a program: the first in good order, a second one at once.
package interrupt

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Context returns a context that the first SIGINT or SIGTERM ends. From then on signals have their usual effect again, so that a second one
// ends the process at once. The caller calls stop, which ends the context and what waits for signals.
func Context() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan os.Signal, 1)
	signal.Notify(first, os.Interrupt, syscall.SIGTERM)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		select {
		case <-first:
		case <-ctx.Done():
		}
		signal.Stop(first) // before anybody learns of the end, and may send the second one
		cancel()
	})
	return ctx, func() {
		cancel()
		waiting.Wait()
	}
}
