package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/runnel-dev/runnel/test/browser"
	"github.com/runnel-dev/runnel/test/sse"
)

// missingCurl says why there is no curl, if there is none.
func missingCurl() string {
	if _, err := exec.LookPath("curl"); err != nil {
		return "no curl: install it (apt-get install curl), or run test/setup as root"
	}
	return ""
}

// curlClient is curl, one run for each connection, as a shell's loop would do it. What it prints is parsed here.
func curlClient(version string) client {
	return client{
		name:    "curl " + version,
		missing: missingCurl,
		http2:   version == "--http2-prior-knowledge",
		open: func(url string) func(context.Context, func(browser.Event)) error {
			return func(ctx context.Context, got func(browser.Event)) error {
				last, delay := "", 100*time.Millisecond
				for {
					_, status, err := curl(ctx, version, url, last, func(e sse.Event) {
						last = e.ID
						if e.Retry != nil {
							delay = *e.Retry
						}
						got(browser.Event{ID: e.ID, Type: e.Type, Data: e.Data})
					})
					// Without an answer, curl says 000.
					if err != nil || status != http.StatusOK && status != 0 {
						return errors.Join(err, fmt.Errorf("status %d", status))
					}
					select {
					case <-ctx.Done():
						return nil
					case <-time.After(delay):
					}
				}
			}
		},
	}
}

// curl reads one connection to its end, and returns curl's exit code and the answer's status; 0 is none.
func curl(ctx context.Context, version, url, last string, got func(sse.Event)) (exit, status int, err error) {
	arguments := []string{"--silent", "--no-buffer", "--write-out", "%{stderr}%{http_code}", version, "--header", "Accept: text/event-stream"}
	if last != "" {
		arguments = append(arguments, "--header", "Last-Event-ID: "+last)
	}
	program := exec.CommandContext(ctx, "curl", append(arguments, url)...)
	program.Env = noProxy(program.Environ())
	var code bytes.Buffer
	program.Stderr = &code
	out, err := program.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	if err := program.Start(); err != nil {
		return 0, 0, err
	}
	parseErr := sse.Parse(out, last, func(e sse.Event) error {
		got(e)
		return nil
	})
	err = program.Wait()
	if ctx.Err() != nil {
		return 0, 0, nil
	}
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		exit, err = failed.ExitCode(), nil
	}
	status, statusErr := strconv.Atoi(code.String())
	return exit, status, errors.Join(parseErr, err, statusErr)
}

// noProxy takes proxies out of an environment: the hub is near.
func noProxy(environ []string) (out []string) {
	for _, e := range environ {
		if name, _, _ := strings.Cut(strings.ToLower(e), "="); !strings.HasSuffix(name, "_proxy") {
			out = append(out, e)
		}
	}
	return out
}
