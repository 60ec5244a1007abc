//go:build linux

package scenario_test

import (
	"context"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/test/bench/process"
	"github.com/runnel-dev/runnel/test/bench/reference"
	"github.com/runnel-dev/runnel/test/bench/scenario"
	"github.com/runnel-dev/runnel/test/bench/server"
	"github.com/runnel-dev/runnel/test/platform"
)

// patience bounds the wait for one state. It is many times what a slow and busy machine takes, and only a failing test waits so long.
const patience = 2 * time.Minute

// tiny is a shape that shows what is right, and no figures. No topic gets more events than a hub retains for it: even a reader that
// is late misses none.
func tiny(z scenario.Shape) scenario.Shape {
	z.Readers, z.Topics = min(z.Readers, 50), min(z.Topics, 50)
	z.Events, z.Warmup = min(z.Events, 70), min(z.Warmup, 10)
	z.Missed, z.Live, z.Slow = min(z.Missed, 20), min(z.Live, 10), min(z.Slow, 10)
	z.Hold = min(z.Hold, 100*time.Millisecond)
	z.Lines = min(z.Lines, 7) // which leaves a rest of the warm-up
	if z.Rate > 0 {
		z.Rate = 500
	}
	return z
}

// inProcess is a reference in this process.
type inProcess struct{ batch bool }

func (r inProcess) Start(context.Context, server.Settings) (*server.Server, error) {
	s, err := reference.Listen(reference.Options{Addr: "127.0.0.1:0", Batch: r.batch})
	if err != nil {
		return nil, err
	}
	return server.New(s.Addr(), s.Addr(), os.Getpid(), s.Close), nil
}

func descriptors(t *testing.T, pid int, kind string) int {
	t.Helper()
	n, err := process.Descriptors(pid, kind)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// expectDescriptors waits until a process has no more of them.
func expectDescriptors(t *testing.T, pid int, kind string, most int) {
	t.Helper()
	for end := time.Now().Add(patience); descriptors(t, pid, kind) > most; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d descriptors are left, %d before", descriptors(t, pid, kind), most)
		}
	}
}

// play runs a scenario on a server, and looks that neither side is left with a connection.
func play(t *testing.T, s scenario.Scenario, by server.Starter, change func(*scenario.Shape)) scenario.Sample {
	t.Helper()
	httptest.NewServer(nil).Close() // the runtime's own poller has descriptors, once it is needed
	mine := descriptors(t, os.Getpid(), "")
	on, err := by.Start(t.Context(), s.Settings)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := on.Stop(); err != nil {
			t.Error(err)
		}
		expectDescriptors(t, os.Getpid(), "", mine)
	}()
	before := descriptors(t, on.PID, process.Socket)
	z := tiny(s.Shape)
	if change != nil {
		change(&z)
	}
	out, err := s.Run(t.Context(), on, z)
	if err != nil {
		t.Fatal(err)
	}
	if out.Faults != nil {
		t.Errorf("faults: %v", out.Faults)
	}
	expectDescriptors(t, on.PID, process.Socket, before)
	return out
}

func hub(t *testing.T, s scenario.Scenario) server.Hub {
	t.Helper()
	dir, err := platform.Programs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return server.Hub{Program: filepath.Join(dir, "hub"), Core: process.AnyCore, Portable: s.Portable}
}

func TestNoEventIsLostDoubledOrReordered(t *testing.T) {
	for _, s := range scenario.All() {
		t.Run(s.Name, func(t *testing.T) {
			out := play(t, s, hub(t, s), nil)
			for _, r := range s.Rows {
				if v := r.Value(out); math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("%s: %v", r.Title, v)
				}
			}
		})
		if s.Reference == scenario.None {
			continue
		}
		t.Run(s.Name+" on the reference", func(t *testing.T) {
			play(t, s, inProcess{batch: s.Reference == scenario.Batch}, nil)
		})
	}
}

func TestEventsMayHaveIDs(t *testing.T) {
	for _, s := range scenario.All() {
		if s.Name == "B16" || s.Name == "E-lines" {
			t.Run(s.Name, func(t *testing.T) {
				play(t, s, hub(t, s), func(z *scenario.Shape) { z.IDs = true })
			})
		}
	}
}
