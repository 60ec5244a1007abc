package main

import (
	"bufio"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program starts the hub by a document, and returns it with its log and the addresses for subscribers and the admin port.
func program(t *testing.T, document string, more ...string) (hub *exec.Cmd, log *bufio.Scanner, subscribe, admin string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	subscribe, admin = free(t), free(t)
	hub = exec.CommandContext(t.Context(), os.Args[0], append([]string{
		"--config", path, "--subscribe-addr", subscribe, "--publish-addr", "127.0.0.1:0", "--admin-addr", admin,
	}, more...)...)
	hub.Env = append(os.Environ(), asHub+"=1")
	hub.Stderr = os.Stderr
	out, err := hub.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.Start(); err != nil {
		t.Fatal(err)
	}
	return hub, bufio.NewScanner(out), subscribe, admin
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
			hub, log, subscribe, _ := program(t, long)
			until(t, log, "serving")
			for range 2 { // of which a drain keeps one for half of its window
				resp, err := http.Get("http://" + subscribe + "/v1/events?topic=orders")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = resp.Body.Close() }()
			}
			if err := hub.Process.Signal(first); err != nil {
				t.Fatal(err)
			}
			until(t, log, "draining")
			// Not SIGINT: shells start what runs in the background with that ignored.
			if err := hub.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			tooLate := time.AfterFunc(patience, func() { _ = hub.Process.Kill() })
			defer tooLate.Stop()
			for log.Scan() { //nolint:revive // until the process ends
			}
			var exit *exec.ExitError
			if err := hub.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
				t.Errorf("exit: %v, want death by SIGTERM", err)
			}
		})
	}
}
