package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
)

// program starts the hub by a document, and returns it with its log and the addresses for subscribers and the admin port.
func program(t *testing.T, document string, more ...string) (running *exec.Cmd, log *bufio.Scanner, subscribe, admin string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	subscribe, admin = free(t), free(t)
	running = exec.CommandContext(t.Context(), os.Args[0], append([]string{
		"--config", path, "--subscribe-addr", subscribe, "--publish-addr", "127.0.0.1:0", "--admin-addr", admin,
	}, more...)...)
	running.Env = append(os.Environ(), asHub+"=1")
	running.Stderr = os.Stderr
	out, err := running.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	return running, bufio.NewScanner(out), subscribe, admin
}

// until reads a log until a message comes.
func until(t *testing.T, log *bufio.Scanner, message string) {
	t.Helper()
	for log.Scan() {
		if strings.Contains(log.Text(), `"msg":"`+message+`"`) {
			return
		}
	}
	t.Fatalf("the hub ended before it logged %q", message)
}

func TestASecondSignalEndsTheHubAtOnce(t *testing.T) {
	long := strings.Replace(document, `"window":"0s"`, `"window":"10m"`, 1)
	for _, first := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run("after "+first.String(), func(t *testing.T) {
			running, log, subscribe, _ := program(t, long)
			until(t, log, "serving")
			for range 2 { // of which a drain keeps one for half of its window
				resp, err := http.Get("http://" + subscribe + "/v1/events?topic=orders")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = resp.Body.Close() }()
			}
			if err := running.Process.Signal(first); err != nil {
				t.Fatal(err)
			}
			until(t, log, "draining")
			// Not SIGINT: shells start what runs in the background with that ignored.
			if err := running.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			tooLate := time.AfterFunc(patience, func() { _ = running.Process.Kill() })
			defer tooLate.Stop()
			for log.Scan() { //nolint:revive // until the process ends
			}
			var exit *exec.ExitError
			if err := running.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
				t.Errorf("exit: %v, want death by SIGTERM", err)
			}
		})
	}
}

func TestTheLogHasWhatItsLevelLetsThrough(t *testing.T) {
	for level, want := range map[string]string{"debug": "DEBUG INFO", "info": "INFO", "warn": "", "error": ""} {
		t.Run(level, func(t *testing.T) {
			running, log, subscribe, admin := program(t, document, "--log-level", level)
			status(t, admin, func(hub.Status) bool { return true })
			resp, err := http.Get("http://" + subscribe + "/v1/events?topic=orders") // which the hub ends, and says so at debug
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			if err := running.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for log.Scan() {
				var line struct{ Level string }
				if err := json.Unmarshal(log.Bytes(), &line); err != nil {
					t.Errorf("%s: %v", log.Text(), err)
				}
				seen[line.Level] = true
			}
			if err := running.Wait(); err != nil {
				t.Error(err)
			}
			if got := strings.Join(slices.Sorted(maps.Keys(seen)), " "); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
