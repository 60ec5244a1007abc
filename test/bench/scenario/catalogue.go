//go:build linux

package scenario

import (
	"time"

	"github.com/runnel-dev/runnel/test/bench/server"
)

const (
	// idleReaders is what a limit of 20,000 open files leaves.
	idleReaders = 19_000
	// idleHold has every reader get two heartbeats of 15 s.
	idleHold   = 30 * time.Second
	idleRounds = 2
	kilobyte   = 1024
)

// All lists the scenarios in the order in which they are run. Events have 200 bytes, and every server one core.
func All() []Scenario {
	return []Scenario{
		{
			Name: "B1", Title: "1,000 readers of one topic, one publish at a time", Reference: Single, run: fanout,
			Shape: Shape{Readers: 1000, Events: 1000, Warmup: 100, InFlight: 1},
			Rows:  []Row{cpuPerDelivery(1.15), {Title: "deliveries", Unit: PerSecond, Value: rate}},
		},
		{
			Name: "B16", Title: "the same, 16 publishes in flight", Reference: Batch, run: fanout,
			Shape: Shape{Readers: 1000, Events: 4000, Warmup: 400, InFlight: 16},
			Rows:  []Row{{Title: "deliveries", Unit: PerSecond, Value: rate, Target: &Target{Ratio: true, AtLeast: true, Bound: 0.6}}},
		},
		{
			Name: "B10k", Title: "10,000 readers of one topic, one publish at a time", Reference: Single, run: fanout,
			Shape: Shape{Readers: 10_000, Events: 100, Warmup: 10, InFlight: 1},
			Rows:  []Row{cpuPerDelivery(1.15)},
		},
		{
			Name: "C", Title: "1,000 readers of one topic, 20 events/s", Reference: Single, run: fanout,
			Shape: Shape{Readers: 1000, Events: 100, Warmup: 10, Rate: 20},
			Rows: []Row{
				{Title: "latency, p50", Unit: Milliseconds, Value: latency(0.5), Target: atMost(1.2)},
				{Title: "latency, p99", Unit: Milliseconds, Value: latency(0.99), Target: atMost(1.2)},
			},
		},
		{
			Name: "D", Title: "10,000 readers of 10,000 topics, 16 publishes in flight", Reference: Single, run: fanout,
			Shape: Shape{Readers: 10_000, Topics: 10_000, Events: 20_000, Warmup: 2000, InFlight: 16},
			Rows:  []Row{{Title: "CPU for each event", Unit: Microseconds, Value: cpuPerEvent, Target: atMost(1.5)}},
		},
		{
			Name: "E", Title: "no readers, 16 publishes in flight", Reference: Single, run: publishing,
			Shape: Shape{Events: 50_000, Warmup: 5000, InFlight: 16},
			Rows:  []Row{{Title: "events", Unit: PerSecond, Value: published, Target: &Target{AtLeast: true, Bound: 60_000}}},
		},
		{
			Name: "E-lines", Title: "no readers, 16 batches of 100 events in flight", run: publishing,
			Shape: Shape{Events: 500_000, Warmup: 50_000, InFlight: 16, Lines: 100},
			Rows:  []Row{{Title: "events", Unit: PerSecond, Value: published, Target: &Target{AtLeast: true, Bound: 500_000}}},
		},
		idling("A", "19,000 idle readers", false, 1.5*kilobyte),
		idling("A-portable", "the same by the portable path", true, 16*kilobyte),
		{
			Name: "connects", Title: "10,000 readers connect at once", Reference: Single, run: idle,
			Shape: Shape{Readers: 10_000},
			Rows:  []Row{{Title: "connections", Unit: PerSecond, Value: connects, Target: &Target{AtLeast: true, Bound: 20_000}}},
		},
		{
			Name: "storm", Title: "10,000 readers come back at once, each 100 events behind, while 100 events/s go to 200 others", run: storm,
			Shape:    Shape{Readers: 10_000, Missed: 100, Live: 200, Events: 800, Warmup: 10, Rate: 100},
			Settings: server.Settings{Events: 10_000},
			Rows: []Row{
				{Title: "until the last caught up", Unit: Seconds, Value: func(s Sample) float64 { return s.CaughtUp.Seconds() }, Target: &Target{Bound: 5}},
				{Title: "latency of the others meanwhile, p99", Unit: Milliseconds, Value: latency(0.99), Target: &Target{Bound: 50}},
			},
		},
		{
			Name: "slow", Title: "500 fast readers, 16 publishes in flight, among 500 slow ones", run: slow,
			Shape: Shape{Readers: 500, Slow: 500, Events: 20_000, Warmup: 5000, InFlight: 16},
			// So many that fast readers lose none while the client's core is busy with others; slow ones do.
			Settings: server.Settings{Events: 1000},
			Rows: []Row{
				{Title: "deliveries to the fast ones, of those alone", Unit: Share, Value: func(s Sample) float64 { return s.Result.DeliveriesPerSecond() / s.Alone }, Target: &Target{AtLeast: true, Bound: 0.9}},
				{Title: "memory at the end, of that before them", Unit: Share, Value: func(s Sample) float64 { return float64(s.After) / float64(s.Before) }, Target: &Target{Bound: flat}},
			},
		},
	}
}

// flat memory grows by no more than the garbage collector's own ups and downs.
const flat = 1.25

func idling(name, title string, portable bool, bytes float64) Scenario {
	s := Scenario{
		Name: name, Title: title, Portable: portable, run: idle, Rounds: idleRounds,
		Shape: Shape{Readers: idleReaders, Hold: idleHold}, Settings: server.Settings{Heartbeat: 15 * time.Second},
		Rows: []Row{
			{Title: "memory of the server for each reader", Unit: Bytes, Value: memory, Target: &Target{Bound: bytes}},
			{Title: "heartbeats every 15 s", Unit: Cores, Alone: true, Value: func(s Sample) float64 { return s.HoldCPU.Seconds() / s.Hold.Seconds() }, Target: &Target{Bound: 0.03}},
		},
	}
	if portable {
		s.Rows = s.Rows[:1]
	} else {
		s.Reference = Single
	}
	return s
}

func cpuPerDelivery(most float64) Row {
	return Row{
		Title: "CPU for each delivery", Unit: Microseconds, Target: atMost(most),
		Value: func(s Sample) float64 { return microseconds(s.CPU) / float64(s.Result.Got) },
	}
}

func atMost(ratio float64) *Target { return &Target{Ratio: true, Bound: ratio} }

func cpuPerEvent(s Sample) float64 { return microseconds(s.CPU) / float64(s.Result.Answered) }

func rate(s Sample) float64 { return s.Result.DeliveriesPerSecond() }

func published(s Sample) float64 { return s.Result.EventsPerSecond() }

func connects(s Sample) float64 { return float64(s.Readers) / s.Connect.Seconds() }

func memory(s Sample) float64 { return float64(s.Idle-s.Before) / float64(s.Readers) }

func latency(q float64) func(Sample) float64 {
	return func(s Sample) float64 { return microseconds(s.Result.Latency.Quantile(q)) / 1000 }
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
