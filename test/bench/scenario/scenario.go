// Package scenario holds what a hub is measured by: each scenario is a load on a fresh server, which may be a hub or the raw
// reference, and rows with what is read from it and what must be reached. It runs on Linux alone.
package scenario

import (
	"context"
	"errors"
	"time"

	"github.com/runnel-dev/runnel/test/bench/load"
	"github.com/runnel-dev/runnel/test/bench/server"
)

// Reference says what a hub is compared with.
type Reference int

const (
	// None: the figure stands for itself.
	None Reference = iota
	// Single is one write for each event and connection.
	Single
	// Batch joins the events of one round.
	Batch
)

// Scenario is one of them.
type Scenario struct {
	// Name is what it is chosen by, Title what it does.
	Name, Title string
	Reference   Reference
	// Portable asks for a hub's path for TLS, HTTP/2 and other systems.
	Portable bool
	// Rounds is how often it is run at most; 0 is as often as it is asked for.
	Rounds int
	// Shape is how large it is.
	Shape Shape
	// Settings that its hub needs.
	Settings server.Settings
	// Rows are its figures, at least one.
	Rows []Row

	run func(ctx context.Context, s *server.Server, z Shape) (Sample, error)
}

// Shape is how large a scenario is.
type Shape struct {
	// Readers in all, and Topics that they and the events are spread over.
	Readers, Topics int
	// Events that are measured, after those of the Warmup.
	Events, Warmup int
	// InFlight, Rate, Lines and IDs are those of load.PublisherOptions.
	InFlight int
	Rate     float64
	Lines    int
	IDs      bool
	// Hold is how long readers rest while the server is watched.
	Hold time.Duration
	// Missed is how many events readers have missed who come back, and Live how many other readers there are.
	Missed, Live int
	// Slow readers join the others.
	Slow int
}

// Quick is a smaller shape, for a first look.
func (z Shape) Quick() Shape {
	const less = 5
	z.Events, z.Warmup, z.Hold = z.Events/less, z.Warmup/less, z.Hold/2
	return z
}

// Sample is what one run gave. What a scenario does not measure is zero.
type Sample struct {
	// Result is that of the measured events.
	Result load.Result
	// CPU is what the server used for them.
	CPU time.Duration
	// Readers is how many connected, in the time Connect.
	Readers int
	Connect time.Duration
	// Before, Idle and After are the server's memory in bytes: without readers, with readers at rest, and at the end.
	Before, Idle, After int64
	// Hold is how long readers rested, HoldCPU what the server used meanwhile.
	Hold, HoldCPU time.Duration
	// CaughtUp is how long those who came back took until the last had what it missed.
	CaughtUp time.Duration
	// Alone is how many deliveries a second there were without slow readers.
	Alone float64
	// Cut is how many slow readers were closed.
	Cut int
	// Faults is what went wrong with events; a sample with faults is no figure.
	Faults error
}

// Row is a figure of a scenario.
type Row struct {
	// Title is what it measures, in Unit.
	Title string
	Unit  Unit
	Value func(Sample) float64
	// Alone keeps the reference out, which does nothing of the kind.
	Alone bool
	// Target is what must be reached; nil is nothing.
	Target *Target
}

// Target is a bound of a hub's figure, or of its ratio to the reference's.
type Target struct {
	Ratio   bool
	AtLeast bool
	Bound   float64
}

// Met says whether a value is within the bound.
func (t Target) Met(v float64) bool {
	if t.AtLeast {
		return v >= t.Bound
	}
	return v <= t.Bound
}

// Measure starts a server, runs the scenario on it, and stops it. The error says that it could not be run.
func (s Scenario) Measure(ctx context.Context, by server.Starter, z Shape) (Sample, error) {
	started, err := by.Start(ctx, s.Settings)
	if err != nil {
		return Sample{}, err
	}
	out, err := s.Run(ctx, started, z)
	return out, errors.Join(err, started.Stop())
}

// Run runs the scenario on a server that nobody used before.
func (s Scenario) Run(ctx context.Context, on *server.Server, z Shape) (Sample, error) {
	return s.run(ctx, on, z)
}
