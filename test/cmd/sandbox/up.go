package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// up keeps a cluster with the operator and the sample stream until ctx is done.
func up(ctx context.Context, s *setup, tell say) (err error) {
	began := time.Now()
	c, err := s.cluster(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(interrupted(ctx, err), c.Stop()) }()
	if err := c.installOperator(ctx, s); err != nil {
		return err
	}
	if _, err := c.applySample(ctx, s); err != nil {
		return err
	}
	at, err := c.readyStream(ctx)
	if err != nil {
		return err
	}
	tell("The sandbox is up after %s, with the stream %s/%s. Interrupt to end it.\n\n", time.Since(began).Round(100*time.Millisecond), namespace, name)
	tell("export KUBECONFIG=%s\nsubscribe at %s\npublish at   %s\n\nTo try, each in a shell with that KUBECONFIG:\n\n%s", c.Kubeconfig, at.subscribe, at.publish, tries(at))
	<-ctx.Done()
	return nil
}

// tries are commands to try by hand.
func tries(at *stream) string {
	return fmt.Sprintf(`  kubectl get eventstreams
  curl -N %s/v1/topics/orders/events
  curl -d '{"n":1}' -H "Authorization: Bearer $(kubectl create token default --audience=%s)" %s/v1/topics/orders
`, at.subscribe, at.audience, at.publish)
}

// interrupted hides what an interrupt makes of a call.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
