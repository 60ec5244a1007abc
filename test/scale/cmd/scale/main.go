// Command scale runs the operator with thousands of streams, and writes what it takes as a table: see the README beside its
// packages. It fails when a target is missed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	bench "github.com/runnel-dev/runnel/test/bench/report"
	"github.com/runnel-dev/runnel/test/scale"
	"github.com/runnel-dev/runnel/test/scale/report"
)

// garbage is how much more than what lives the sandbox may hold before it collects, until it has taken half of the machine's memory: there
// is more of that than of CPU.
const garbage = 800 // per cent

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	scale.Options
	results string
	quick   bool
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	log.SetLogger(logr.Discard()) // the client library complains otherwise
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "runnel-scale-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // a left-over temporary file harms nobody
		o.Dir = dir
	}
	memory, err := scale.MachineMemory()
	if err != nil {
		return err
	}
	debug.SetGCPercent(garbage)
	debug.SetMemoryLimit(memory / 2)
	r := report.Run{
		How: strings.TrimSpace("scale " + strings.Join(args, " ")), Date: time.Now(), Load: bench.LoadAverage(),
		Commit: bench.Commit(ctx, ".", filepath.Base(o.results)), Machine: bench.ThisMachine(),
	}
	r.Figures, err = scale.Run(ctx, o.Options, func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(r.Date).Seconds(), fmt.Sprintf(format, args...))
	})
	if err != nil {
		return err
	}
	if o.results != "" {
		if err := r.Write(o.results); err != nil {
			return err
		}
	}
	fmt.Print(r.Document())
	if missed := report.Missed(r.Figures); len(missed) > 0 {
		return errors.New("missed:\n  " + strings.Join(missed, "\n  "))
	}
	return nil
}

func parse(args []string) (o options, err error) {
	o.Sizes, o.Rates = []int{1000, 5000}, []float64{25, 150}
	f := flag.NewFlagSet("scale", flag.ContinueOnError)
	f.StringVar(&o.Bin, "bin", "../bin", "`directory` of the built programs")
	f.StringVar(&o.Dir, "dir", "", "`directory` for the operator's log and profiles; a temporary one if not set")
	f.BoolVar(&o.Profiles, "profiles", false, "write profiles of the operator's heap at each size, and of all CPU time at each rate, into -dir")
	f.StringVar(&o.results, "results", "scale/RESULTS.md", "`file` that the tables are written to; empty is none")
	f.BoolVar(&o.quick, "quick", false, "100 streams and a few seconds for a first look, and no file unless -results names one")
	f.Func("sizes", "`numbers` of streams, parted by commas and ascending (default 1000,5000)", list(&o.Sizes, strconv.Atoi))
	f.Func("rates", "changes a second, `numbers` parted by commas (default 25,150)", list(&o.Rates, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }))
	f.DurationVar(&o.Churn, "churn", time.Minute, "for how long streams are changed at each rate")
	f.DurationVar(&o.Settled, "settled", 30*time.Second, "for how long the settled operator is watched")
	f.Func("operator", "`flags` of the operator, parted by spaces", func(s string) error {
		o.OperatorArgs = strings.Fields(s)
		return nil
	})
	if err := f.Parse(args); err != nil {
		return o, err
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if o.quick {
		o.Sizes, o.Rates, o.Churn, o.Settled = []int{100}, []float64{25}, 5*time.Second, 5*time.Second
		if !given["results"] {
			o.results = ""
		}
	}
	if len(o.Sizes) == 0 || !slices.IsSorted(o.Sizes) || o.Sizes[0] < 1 {
		return o, errors.New("-sizes: write numbers of streams in ascending order, such as 1000,5000")
	}
	for _, r := range o.Rates {
		if r <= 0 {
			return o, errors.New("-rates: write changes a second, such as 25,150")
		}
	}
	return o, nil
}

// list reads values parted by commas.
func list[T any](into *[]T, read func(string) (T, error)) func(string) error {
	return func(s string) error {
		*into = nil
		for part := range strings.SplitSeq(s, ",") {
			value, err := read(strings.TrimSpace(part))
			if err != nil {
				return err
			}
			*into = append(*into, value)
		}
		return nil
	}
}
