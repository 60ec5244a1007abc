// Command bench measures a hub against the raw reference and writes a table: see the README beside its packages. It has the two
// tools apart as well: `bench load` drives any server and prints what it saw, `bench reference` runs the reference.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case commandLoad:
			return runLoad(ctx, args[1:])
		case commandReference:
			return runReference(ctx, args[1:])
		}
	}
	return runScenarios(ctx, args)
}

const (
	commandLoad      = "load"
	commandReference = "reference"
)
