//go:build linux

package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/test/bench/process"
	"github.com/runnel-dev/runnel/test/bench/server"
	"github.com/runnel-dev/runnel/test/platform"
)

// status of a request with a header.
func status(t *testing.T, method, url string, header http.Header) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(map[bool]string{true: "x"}[method == http.MethodPost]))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header.Clone()
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

func TestAHubAsksForTokensOnBothPorts(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	programs, err := platform.Programs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.Hub{Program: filepath.Join(programs, "hub"), Core: process.AnyCore}.Start(t.Context(), server.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	stream, publish := "http://"+s.Subscribe+"/v1/topics/t.1/events", "http://"+s.Publish+"/v1/topics/t.1"
	for _, c := range []struct {
		method, url string
		header      http.Header
		want        int
	}{
		{http.MethodHead, stream, s.Reader, http.StatusOK},
		{http.MethodHead, stream, nil, http.StatusUnauthorized},
		{http.MethodHead, stream, s.Publisher, http.StatusUnauthorized},
		{http.MethodPost, publish, s.Publisher, http.StatusOK},
		{http.MethodPost, publish, nil, http.StatusUnauthorized},
		{http.MethodPost, publish, s.Reader, http.StatusUnauthorized},
	} {
		if got := status(t, c.method, c.url, c.header); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.url, got, c.want)
		}
	}
	// A cluster's token for a pod has 1 to 1.2 kilobytes.
	if n := len(s.Publisher.Get("Authorization")); n < 1000 || n > 1300 {
		t.Errorf("a publisher's credential has %d bytes", n)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestAProgramThatCannotStartIsNamed(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	program := filepath.Join(t.TempDir(), "hub")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho no such port >&2; exit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := (server.Hub{Program: program, Core: process.AnyCore, Portable: true}).Start(t.Context(), server.Settings{})
	if err == nil || !strings.Contains(err.Error(), "no such port") {
		t.Errorf("got %v", err)
	}
}
