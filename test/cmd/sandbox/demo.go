package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// batch is how many events each of the two publishers sends.
const batch = 5

// demo does the whole of the product's main job, and fails as soon as one step does.
func demo(ctx context.Context, s *setup, tell say) (err error) {
	began := time.Now()
	step := func(what string, args ...any) {
		tell("%5.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(what, args...))
	}
	c, err := s.cluster(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	step("A Kubernetes API server and a node run in this process.")
	if err := c.installOperator(ctx, s); err != nil {
		return err
	}
	step("The operator is installed from config/default and available.")
	how, err := c.applySample(ctx, s)
	if err != nil {
		return err
	}
	step("The EventStream %s/%s is applied %s.", namespace, name, how)
	at, err := c.readyStream(ctx)
	if err != nil {
		return err
	}
	step("It is Ready: its hub serves readers at %s and publishers at %s.", at.subscribe, at.publish)
	if err := c.exchange(ctx, at, step); err != nil {
		return err
	}
	tell("\nAll of it happened. `make sandbox` keeps it up, for commands such as\n\n%s", tries(at))
	return nil
}

// exchange publishes and receives, with a cut in between.
func (c *cluster) exchange(ctx context.Context, at *stream, step func(string, ...any)) error {
	r := &reader{url: at.subscribe + "/v1/topics/orders/events"}
	resume, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { r.close() }()
	step("A reader is connected; its stream begins %s.", resume)
	if err := c.publishFrom(ctx, "publisher-1", at, 1, batch); err != nil {
		return err
	}
	if err := r.expect(ctx, 1, batch); err != nil {
		return err
	}
	step("A pod has published %d events with its ServiceAccount's token; the reader has received them.", batch)
	if n := c.Node.CutConnections(namespace, name+"-subscribe"); n == 0 {
		return errors.New("there was no connection to cut")
	}
	if err := r.cut(ctx); err != nil {
		return err
	}
	step("The reader's connection is cut behind event %s.", r.last)
	if err := c.publishFrom(ctx, "publisher-2", at, batch+1, 2*batch); err != nil {
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
