package main

import (
	"context"
	"errors"
	"time"
)

// up keeps a cluster with the operator and the sample stream until ctx is done.
func up(ctx context.Context, s *setup, tell say) (err error) {
	began := time.Now()
	p, err := s.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(interrupted(ctx, err), p.Stop()) }()
	starting, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	if err := p.Install(starting); err != nil {
		return err
	}
	if _, err := apply(starting, p); err != nil {
		return err
	}
	at, err := ready(starting, p)
	if err != nil {
		return err
	}
	tell("The sandbox is up after %s, with the stream %s. Interrupt to end it.\n\n", time.Since(began).Round(100*time.Millisecond), sample)
	tell("export KUBECONFIG=%s\nsubscribe at %s\npublish at   %s\n\nTo try, each in a shell with that KUBECONFIG:\n\n%s", p.Kubeconfig, at.subscribe, at.publish, at.tries())
	<-ctx.Done()
	return nil
}

// interrupted hides what an interrupt makes of a call.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
