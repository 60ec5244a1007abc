//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/test/bench/reference"
	"github.com/runnel-dev/runnel/test/platform"
)

// asProgram has the test's binary be the program, for those that it starts too.
const asProgram = "BENCH_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// bench runs the program.
func bench(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	var out, problems bytes.Buffer
	c.Stdout, c.Stderr = &out, &problems
	err = c.Run()
	return out.String(), problems.String(), err
}

func TestScenariosMakeATableAndAFile(t *testing.T) {
	programs, err := platform.Programs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "RESULTS.md")
	out, problems, err := bench(t, "-quick", "-scenarios", "E", "-hub", filepath.Join(programs, "hub"), "-results", path)
	if err != nil {
		t.Fatalf("%v: %s", err, problems)
	}
	if strings.HasPrefix(problems, "!!") {
		t.Skip(problems)
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{out, string(written)} {
		if strings.Count(text, "\n| E | events | ") != 1 || strings.Contains(text, "failed") {
			t.Errorf("got %s", text)
		}
	}
}

func TestWithoutTwoCoresNothingIsMeasured(t *testing.T) {
	if out, problems, err := bench(t, "-client-core", "0", "-hub", "/nowhere"); err != nil || out != "" || !strings.HasPrefix(problems, "!! nothing is measured") {
		t.Errorf("%v, %s, %s", err, out, problems)
	}
}

func TestAFailureIsSaid(t *testing.T) {
	out, problems, err := bench(t, "-quick", "-scenarios", "C", "-hub", "/nowhere")
	if strings.HasPrefix(problems, "!!") {
		t.Skip(problems)
	}
	if err == nil || !strings.Contains(out, "**failed**") || !strings.Contains(problems, "C, hub: start /nowhere: ") {
		t.Errorf("%v, %s, %s", err, out, problems)
	}
	if _, problems, err := bench(t, "-scenarios", "C,F"); err == nil || !strings.Contains(problems, `no scenario "F": write some of B1,B16,`) {
		t.Errorf("%v, %s", err, problems)
	}
}

func TestLoadSaysWhatItSaw(t *testing.T) {
	s, err := reference.Listen(reference.Options{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	paths := []string{"-read-path", "/v1/topics/x%d/events", "-publish-path", "/v1/topics/x%d"}
	out, problems, err := bench(t, append([]string{commandLoad, "-subscribe", s.Addr(), "-publish", s.Addr(), "-readers", "10", "-topics", "5", "-events", "50", "-warmup", "5"}, paths...)...)
	if err != nil {
		t.Fatalf("%v: %s", err, problems)
	}
	var got loadResult
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Deliveries != 100 || got.Missing != 0 || got.P50 <= 0 || got.Max < got.P999 || got.DeliveriesPerSecond <= 0 {
		t.Errorf("%v, %s", err, out)
	}
	if out, _, err := bench(t, commandLoad, "-subscribe", s.Addr(), "-publish", s.Addr(), "-readers", "0", "-events", "50"); err != nil || !strings.Contains(out, `"deliveries":0`) {
		t.Errorf("without readers: %v, %s", err, out)
	}
}
