//go:build !linux

package main

import (
	"context"
	"fmt"
	"os"
)

func runScenarios(context.Context, []string) error { return notHere() }

func runLoad(context.Context, []string) error { return notHere() }

func runReference(context.Context, []string) error { return notHere() }

// notHere says so and is no failure: `make bench` has run what it can.
func notHere() error {
	fmt.Fprintln(os.Stderr, "!! nothing is measured: the load generator and the reference need Linux, for epoll and /proc")
	return nil
}
