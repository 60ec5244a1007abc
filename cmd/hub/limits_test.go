package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
)

// asHub is an environment variable that makes the test binary the hub.
const asHub = "RUNNEL_TEST_AS_HUB"

func TestMain(m *testing.M) {
	if os.Getenv(asHub) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestFewDescriptors holds that a hub with few descriptors answers each of many readers who come at once: it lets in as many as there
// are descriptors for and tells the others to come back, also while so many of those come that it has no descriptor left for a moment.
func TestFewDescriptors(t *testing.T) {
	const (
		descriptors = 256
		room        = descriptors - 64 - descriptors/32
		readers     = 600
	)
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(strings.Replace(document, `"connectionsPerHub":2`, `"connectionsPerHub":0`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	subscribe, admin := free(t), free(t)
	var log bytes.Buffer
	process := exec.CommandContext(t.Context(), "sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, descriptors), "sh",
		os.Args[0], "--config", path, "--subscribe-addr", subscribe, "--publish-addr", "127.0.0.1:0", "--admin-addr", admin)
	process.Env = append(os.Environ(), asHub+"=1")
	process.Stdout, process.Stderr = &log, &log
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	status(t, admin, func(s hub.Status) bool { return s.ConnectionsLimit == room })

	answers, done := make(chan string, readers), make(chan struct{})
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			c, err := net.Dial("tcp", subscribe)
			if err != nil {
				answers <- err.Error()
				return
			}
			answers <- firstEvent(c)
			<-done
			_ = c.Close()
		})
	}
	counts := map[string]int{}
	for range readers {
		counts[<-answers]++
	}
	if counts["runnel-open"] != room || counts["runnel-close"] != readers-room {
		t.Errorf("readers got %v, want %d let in and the others told to come back", counts, room)
	}
	close(done)
	all.Wait()
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := process.Wait(); err != nil {
		t.Error(err)
	}
	if want := fmt.Sprintf(`"msg":"limits of the process","descriptors":%d`, descriptors); !strings.Contains(log.String(), want) {
		t.Errorf("the log has no %s: %s", want, log.String())
	}
}

// firstEvent asks for a stream and returns the type of its first event, or what went wrong.
func firstEvent(c net.Conn) string {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprint(c, "GET /v1/topics/orders/events HTTP/1.1\r\nHost: hub\r\n\r\n"); err != nil {
		return err.Error()
	}
	for lines := bufio.NewReader(c); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err.Error()
		}
		if kind, ok := strings.CutPrefix(line, "event: "); ok {
			return strings.TrimSpace(kind)
		}
	}
}
