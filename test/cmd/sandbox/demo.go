package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/test/platform"
)

// patience bounds what takes ten seconds, and a minute on a slow and busy machine.
const patience = 10 * time.Minute

var errSlow = fmt.Errorf("it has taken more than %v", patience)

// batch is how many events each of the two publishers sends.
const batch = 5

// demo does the whole of the product's main job, and fails as soon as one step does.
func demo(ctx context.Context, s *setup, tell say) (err error) {
	began := time.Now()
	step := func(what string, args ...any) {
		tell("%5.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(what, args...))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	p, err := s.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	step("A Kubernetes API server and a node run in this process.")
	if err := p.Install(ctx); err != nil {
		return err
	}
	step("The operator is installed from config/default and ready.")
	how, err := apply(ctx, p)
	if err != nil {
		return err
	}
	step("The EventStream %s is applied: %s", sample, how)
	at, err := ready(ctx, p)
	if err != nil {
		return err
	}
	step("It is Ready: its hub serves readers at %s and publishers at %s.", at.subscribe, at.publish)
	if err := exchange(ctx, p, at, step); err != nil {
		return err
	}
	tell("\nAll of it happened. `make sandbox` keeps it up, for commands such as\n\n%s", at.tries())
	return nil
}

// exchange publishes and receives, with a cut in between.
func exchange(ctx context.Context, p *platform.Platform, at *stream, step func(string, ...any)) error {
	r := &reader{url: at.events()}
	resume, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { r.close() }()
	step("A reader is connected; its stream begins %s.", resume)
	if err := publishFrom(ctx, p, "publisher-1", at, 1, batch); err != nil {
		return err
	}
	if err := r.expect(ctx, 1, batch); err != nil {
		return err
	}
	step("A pod has published %d events with its ServiceAccount's token; the reader has received them.", batch)
	if n := p.Node.CutConnections(sample.Namespace, render.SubscribeName(sample.Name)); n == 0 {
		return errors.New("there was no connection to cut")
	}
	if err := r.cut(ctx); err != nil {
		return err
	}
	step("The reader's connection is cut behind event %s.", r.last)
	if err := publishFrom(ctx, p, "publisher-2", at, batch+1, 2*batch); err != nil {
		return err
	}
	step("Another pod has published %d events meanwhile.", batch)
	if resume, err = r.connect(ctx); err != nil {
		return err
	}
	if resume != "exact" {
		return fmt.Errorf("the reader did not resume exactly: the hub says %q", resume)
	}
	if err := r.expect(ctx, batch+1, 2*batch); err != nil {
		return err
	}
	step("The reader is back, and has received exactly these %d: none lost, none twice.", batch)
	return nil
}
