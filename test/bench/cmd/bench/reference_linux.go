package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/runnel-dev/runnel/test/bench/reference"
)

// runReference serves until it is told to stop. It says in a line of JSON where it listens, as a hub does.
func runReference(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench "+commandReference, flag.ContinueOnError)
	o := reference.Options{}
	flags.StringVar(&o.Addr, "addr", "127.0.0.1:0", "`address` for readers and publishers")
	flags.BoolVar(&o.Batch, "batch", false, "join the events of one round into one write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := reference.Listen(o)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"msg": "serving", "subscribe": s.Addr(), "publish": s.Addr()}); err != nil {
		return fmt.Errorf("say where it listens: %w", err)
	}
	<-ctx.Done()
	return s.Close()
}
