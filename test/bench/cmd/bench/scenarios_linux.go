package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/runnel-dev/runnel/test/bench/process"
	"github.com/runnel-dev/runnel/test/bench/report"
	"github.com/runnel-dev/runnel/test/bench/scenario"
	"github.com/runnel-dev/runnel/test/bench/server"
)

const (
	// defaultRounds is enough for a median that one noisy round does not move.
	defaultRounds = 5
	// clientThreads are threads that run at the same time: groups of readers, a publisher, and the runner itself. All share a core, and
	// one that waits in the kernel must not keep another from running.
	clientThreads = 8
)

// options are the runner's flags.
type options struct {
	hub, results           string
	rounds                 int
	names                  string
	quick, ids             bool
	serverCore, clientCore int
}

func runScenarios(ctx context.Context, args []string) error {
	o := options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.hub, "hub", "../bin/hub", "`path` of the hub's program")
	flags.StringVar(&o.results, "results", "bench/RESULTS.md", "`file` that the table is written to; empty is none")
	flags.IntVar(&o.rounds, "rounds", defaultRounds, "`number` of rounds, of which medians are taken")
	flags.StringVar(&o.names, "scenarios", "", "`names` of some scenarios, parted by commas; empty is all")
	flags.BoolVar(&o.quick, "quick", false, "one round with fewer events, and no file unless -results names one")
	flags.BoolVar(&o.ids, "ids", false, "send each event with an id of its own")
	flags.IntVar(&o.serverCore, "server-core", 0, "`core` of the server")
	flags.IntVar(&o.clientCore, "client-core", 1, "`core` of the client")
	if err := flags.Parse(args); err != nil {
		return err
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if o.quick {
		o.rounds = 1
	}
	if o.quick && !given["results"] {
		o.results = ""
	}
	cores, err := process.Cores()
	if err != nil {
		return err
	}
	if !slices.Contains(cores, o.serverCore) || !slices.Contains(cores, o.clientCore) || o.serverCore == o.clientCore {
		fmt.Fprintf(os.Stderr, "!! nothing is measured: server and client need a core each, %d and %d, and this process may use %v; choose others by -server-core and -client-core\n",
			o.serverCore, o.clientCore, cores)
		return nil
	}
	chosen, err := choose(o.names)
	if err != nil {
		return err
	}
	out := report.Results{Rounds: o.rounds, How: strings.TrimSpace("bench " + strings.Join(args, " ")), Date: time.Now(), Machine: report.ThisMachine(), Load: report.LoadAverage()}
	out.Commit = report.Commit(ctx, ".", filepath.Base(o.results))
	withoutCollector()
	if err := process.Pin(o.clientCore); err != nil {
		return err
	}
	if out.Series, err = o.measure(ctx, chosen); err != nil {
		return err
	}
	fmt.Print("\n", report.Table(out.Series), "\n")
	for _, note := range report.Notes(out.Series) {
		fmt.Println(note)
	}
	if o.results != "" {
		err = out.Write(o.results)
	}
	for _, s := range out.Series {
		err = errors.Join(err, s.Failure)
	}
	return err
}

func choose(names string) ([]scenario.Scenario, error) {
	all := scenario.All()
	if names == "" {
		return all, nil
	}
	var out []scenario.Scenario
	var known []string
	for _, s := range all {
		known = append(known, s.Name)
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.Index(known, name)
		if i < 0 {
			return nil, fmt.Errorf("no scenario %q: write some of %s", name, strings.Join(known, ","))
		}
		out = append(out, all[i])
	}
	return out, nil
}

// withoutCollector keeps Go's garbage collector, and its scheduler, out of the client's figures; the runner collects between runs.
func withoutCollector() {
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), clientThreads))
}

// measure runs the rounds. In each, all scenarios follow each other, hub and reference in turn, and the one that goes first changes
// from round to round.
func (o options) measure(ctx context.Context, chosen []scenario.Scenario) ([]report.Series, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	out := make([]report.Series, len(chosen))
	for i, s := range chosen {
		out[i].Scenario = s
	}
	for round := range o.rounds {
		for i := range out {
			s := &out[i]
			if s.Failure != nil || s.Scenario.Rounds > 0 && round >= s.Scenario.Rounds {
				continue
			}
			fmt.Fprintf(os.Stderr, "round %d of %d, %s: %s\n", round+1, o.rounds, s.Scenario.Name, s.Scenario.Title)
			o.play(ctx, s, self, round%2 == 1)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
	}
	return out, nil
}

// play runs one round of a scenario.
func (o options) play(ctx context.Context, s *report.Series, self string, referenceFirst bool) {
	against := func() {
		if s.Scenario.Reference == scenario.None || s.Failure != nil {
			return
		}
		by := server.Reference{Command: []string{self, commandReference}, Core: o.serverCore, Batch: s.Scenario.Reference == scenario.Batch}
		sample, err := o.sample(ctx, s.Scenario, by)
		if err != nil {
			s.Failure = fmt.Errorf("%s, reference: %w", s.Scenario.Name, err)
			return
		}
		s.Reference = append(s.Reference, sample)
	}
	if referenceFirst {
		against()
	}
	sample, err := o.sample(ctx, s.Scenario, server.Hub{Program: o.hub, Core: o.serverCore, Portable: s.Scenario.Portable})
	if err != nil {
		s.Failure = errors.Join(s.Failure, fmt.Errorf("%s, hub: %w", s.Scenario.Name, err))
		return
	}
	s.Hub = append(s.Hub, sample)
	if !referenceFirst {
		against()
	}
}

func (o options) sample(ctx context.Context, s scenario.Scenario, by server.Starter) (scenario.Sample, error) {
	z := s.Shape
	if o.quick {
		z = z.Quick()
	}
	z.IDs = o.ids
	sample, err := s.Measure(ctx, by, z)
	runtime.GC()
	if err = errors.Join(err, sample.Faults); err == nil {
		say(s, by, sample)
	}
	return sample, err
}

// say tells one sample's figures while the runner goes on, and how busy both sides were with it: a client near 100 % is the limit.
func say(s scenario.Scenario, by server.Starter, sample scenario.Sample) {
	who := "hub"
	if _, raw := by.(server.Reference); raw {
		who = "reference"
	}
	var texts []string
	for _, r := range s.Rows {
		texts = append(texts, r.Title+" "+r.Unit.Format(r.Value(sample)))
	}
	if r := sample.Result; sample.CPU > 0 {
		window := (max(r.Last, r.End) - r.Begin).Seconds()
		texts = append(texts, fmt.Sprintf("server busy %.0f %%, readers' thread %.0f %%, publisher's %.0f %%",
			100*sample.CPU.Seconds()/window, 100*r.Busy.Seconds()/window, 100*r.PublisherBusy.Seconds()/window))
	}
	fmt.Fprintf(os.Stderr, "  %s: %s\n", who, strings.Join(texts, ", "))
}
