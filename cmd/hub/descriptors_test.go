package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
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

// narrow is a hub with few descriptors.
type narrow struct {
	t                         *testing.T
	subscribe, publish, admin string

	mu  sync.Mutex
	log bytes.Buffer
}

// startNarrow starts a hub that lives as long as its test.
func startNarrow(t *testing.T, descriptors int, more ...string) *narrow {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	n := &narrow{t: t, subscribe: free(t), publish: free(t), admin: free(t)}
	process := exec.CommandContext(context.Background(), "sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, descriptors), "sh",
		os.Args[0], "--config", path, "--subscribe-addr", n.subscribe, "--publish-addr", n.publish, "--admin-addr", n.admin}, more...)...)
	process.Env = append(os.Environ(), asHub+"=1")
	process.Stdout, process.Stderr = n, n
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := process.Wait(); err != nil {
			t.Error(err)
		}
	})
	status(t, n.admin, func(s hub.Status) bool { return s.ConnectionsLimit > 0 })
	return n
}

// Write takes what the hub logs.
func (n *narrow) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.Write(b)
}

// logs waits for a text in the log.
func (n *narrow) logs(text string) {
	n.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		n.mu.Lock()
		log := n.log.String()
		n.mu.Unlock()
		if strings.Contains(log, text) {
			return
		}
		if time.Now().After(end) {
			n.t.Fatalf("the log has no %s: %s", text, log)
		}
	}
}

// open opens connections that send nothing, and returns what closes them.
func (n *narrow) open(addr string, connections int) (closeAll func()) {
	n.t.Helper()
	var all []net.Conn
	closeAll = func() {
		for _, c := range all {
			_ = c.Close()
		}
	}
	n.t.Cleanup(closeAll)
	for range connections {
		c, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			n.t.Fatal(err)
		}
		all = append(all, c)
	}
	return closeAll
}

// answers fails unless a request is answered with 200.
func (n *narrow) answers(method, addr, path string) (body string) {
	n.t.Helper()
	r, err := http.NewRequest(method, "http://"+addr+path, strings.NewReader("x"))
	if err != nil {
		n.t.Fatal(err)
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		n.t.Fatalf("%s %s: %s %s, %v", method, path, resp.Status, b, err)
	}
	return string(b)
}

func TestConnectionsOfClientsLeaveDescriptorsForProbes(t *testing.T) {
	const descriptors, connections = 128, 150
	for _, way := range [][]string{nil, {"--portable"}} {
		for _, name := range []string{"publish", "subscribe"} {
			t.Run(fmt.Sprint(name, way), func(t *testing.T) {
				t.Parallel()
				n := startNarrow(t, descriptors, way...)
				full, other := n.publish, n.subscribe
				if name == "subscribe" {
					full, other = other, full
				}
				closeAll := n.open(full, connections)
				n.logs(`"level":"ERROR","msg":"new connections wait, since there are descriptors for no more"`)
				for range 5 {
					n.answers("GET", n.admin, "/readyz")
					n.answers("GET", other, "/healthz")
				}
				if got, want := n.answers("GET", n.admin, "/metrics"), `runnel_hub_accept_waits_total{port="`+name+`"}`; strings.Contains(got, want+" 0\n") || !strings.Contains(got, want) {
					t.Errorf("the metrics count no %s: %s", want, got)
				}
				if way != nil { // net/http leaves connections that have sent nothing more time
					closeAll()
				}
				n.answers("GET", full, "/healthz") // as soon as those before it have sent nothing for too long
			})
		}
	}
}

func TestAFailingAcceptIsLoggedAndCounted(t *testing.T) {
	const descriptors, connections = 128, 300
	n := startNarrow(t, descriptors)
	closeAll := n.open(n.admin, connections)
	n.logs(`"level":"ERROR","msg":"connections cannot be accepted","count":`)
	n.logs("too many open files")
	closeAll()
	if got, want := n.answers("GET", n.admin, "/metrics"), `runnel_hub_accept_failures_total{port="admin"}`; strings.Contains(got, want+" 0\n") || !strings.Contains(got, want) {
		t.Errorf("the metrics count no %s: %s", want, got)
	}
}
