package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/cmd/runnel/dev"
)

// asMain makes this test binary the program itself: signals and exit codes are those of a process.
const asMain = "RUNNEL_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// devProcess starts `runnel dev` and returns it with the addresses for readers and publishers.
func devProcess(t *testing.T) (process *exec.Cmd, subscribe, publish string) {
	t.Helper()
	const pick = "127.0.0.1:0"
	process = exec.CommandContext(t.Context(), os.Args[0], "dev", "-f", file(t, valid), "--insecure-publish",
		"--subscribe-addr", pick, "--publish-addr", pick, "--admin-addr", pick)
	process.Env = append(os.Environ(), asMain+"=1")
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`^  (subscribe|publish) +http://(\S+)$`)
	for s := bufio.NewScanner(out); s.Scan(); {
		found := address.FindStringSubmatch(s.Text())
		switch {
		case found != nil && found[1] == "subscribe":
			subscribe = found[2]
		case found != nil:
			publish = found[2]
		case strings.Contains(s.Text(), "Ctrl-C ends it"):
			return process, subscribe, publish
		}
	}
	t.Fatal("it ended before it was ready")
	return nil, "", ""
}

// read opens a stream and returns its body once the hub has taken the reader in.
func read(t *testing.T, subscribe string) *bufio.Reader {
	t.Helper()
	response, err := http.Get("http://" + subscribe + "/v1/events?topic=orders")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	})
	return bufio.NewReader(response.Body)
}

// patience bounds the wait for one state. It is many times what a slow and busy machine takes, and only a failing test waits so long.
const patience = 2 * time.Minute

// ending checks how the process ends after a signal. The process ends in any case when dev.DrainLimit is over, so a check that fails later
// than that may only show that the machine is slow, and is tried again. try returns when it sent the signal.
func ending(t *testing.T, try func(t *testing.T) (signalled time.Time, err error)) {
	t.Helper()
	for giveUp := time.Now().Add(patience); ; {
		signalled, err := try(t)
		if err == nil {
			return
		}
		if time.Since(signalled) < dev.DrainLimit || time.Now().After(giveUp) {
			t.Fatal(err)
		}
	}
}

func TestSignalDrainsAndExitsWithSuccess(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			ending(t, func(t *testing.T) (time.Time, error) {
				process, subscribe, _ := devProcess(t)
				body := read(t, subscribe)
				signalled := time.Now()
				if err := process.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				rest, err := io.ReadAll(body)
				if err := process.Wait(); err != nil {
					t.Fatalf("exit: %v", err)
				}
				if err != nil || !strings.Contains(string(rest), "event: runnel-close") {
					return signalled, fmt.Errorf("the stream ended with %v after\n%s", err, rest)
				}
				return signalled, nil
			})
		})
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) { ending(t, endsAtOnce) }

func endsAtOnce(t *testing.T) (signalled time.Time, err error) {
	process, subscribe, publish := devProcess(t)
	// A publish that is never sent to its end keeps the hub from ending by itself.
	unfinished, err := net.Dial("tcp", publish)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unfinished.Close() }) // the hub may have cut it already
	if _, err := io.WriteString(unfinished, "POST /v1/topics/orders HTTP/1.1\r\nHost: hub\r\nContent-Length: 9\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.Get("http://" + publish + "/") // so the connection before it was accepted
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	body := read(t, subscribe)
	signalled = time.Now()
	if err := process.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(body) // after which the first signal has arrived
	if err != nil {
		return signalled, err
	}
	// Not SIGINT: shells start what runs in the background with that ignored.
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := process.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		return signalled, fmt.Errorf("exit: %v, want death by SIGTERM", err)
	}
	return signalled, nil
}

func TestWhatIsStuckDoesNotKeepTheTerminal(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stuck := make(chan struct{})
	defer close(stuck)
	err := within(ctx, time.Millisecond, func(context.Context) error {
		cancel()
		<-stuck
		return errors.New("ended late")
	})
	if err != nil {
		t.Errorf("got %v", err)
	}
}

func TestFailureIsNotKeptForTheLimit(t *testing.T) {
	want := errors.New("address in use")
	if err := within(t.Context(), time.Hour, func(context.Context) error { return want }); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}
