package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

const document = `{"version":1,"stream":{"namespace":"a","name":"b"},"topics":[{"name":"orders","events":5,"age":"1h"}],
"retention":{"bytes":67108864},"heartbeat":{"interval":"5s","minimum":"1s"},"reconnect":{"delay":"2s","maxConnectionAge":"30m"},"drain":{"window":"0s"},
"limits":{"connectionsPerHub":2,"maxEventSize":262144},"auth":{"subscribers":{"anonymous":{}},"publishers":{"anonymous":{}}}}`

func free(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

// patience bounds the wait for one state. It is many times what a slow and busy machine takes, and only a failing test waits so long.
const patience = 2 * time.Minute

// status waits until the hub's status is as wanted.
func status(t *testing.T, addr string, ok func(hub.Status) bool) {
	t.Helper()
	var last hub.Status
	client := &http.Client{Timeout: patience}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		resp, err := client.Get("http://" + addr + "/status")
		if err != nil {
			continue // not listening yet
		}
		last = hub.Status{}
		err = json.NewDecoder(resp.Body).Decode(&last)
		_ = resp.Body.Close()
		if err == nil && ok(last) {
			return
		}
	}
	t.Fatalf("status stays %+v", last)
}

func TestRunsAndFollowsItsConfiguration(t *testing.T) {
	dir := t.TempDir()
	// As a kubelet mounts a ConfigMap: a link to a directory that is swapped.
	mount := func(version, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, version, "config.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(version, filepath.Join(dir, "..tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	mount("..1", document)
	path := filepath.Join(dir, "config.json")
	if err := os.Symlink("..data/config.json", path); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	admin := free(t)
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"--config", path, "--subscribe-addr", "127.0.0.1:0", "--publish-addr", "127.0.0.1:0", "--admin-addr", admin})
	}()
	first, err := config.Decode([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	status(t, admin, func(s hub.Status) bool { return s.ConfigHash == config.Hash(first) })
	mount("..2", strings.Replace(document, `"connectionsPerHub":2`, `"connectionsPerHub":3`, 1))
	first.Limits.ConnectionsPerHub = 3
	status(t, admin, func(s hub.Status) bool { return s.ConfigHash == config.Hash(first) })
	mount("..3", strings.Replace(document, `"connectionsPerHub":2`, `"connexions":3`, 1))
	status(t, admin, func(s hub.Status) bool {
		return s.ConfigHash == config.Hash(first) && strings.Contains(s.ConfigError, "connexions")
	})
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestSaysWhatToWrite(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte(`{"version":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"write hub --config FILE": nil,
		"no such file":            {"--config", "/nowhere"},
		"version: 2":              {"--config", bad},
		`invalid value "loud" for flag -log-level: write debug, info, warn or error`:   {"--config", bad, "--log-level", "loud"},
		`invalid value "INFO+2" for flag -log-level: write debug, info, warn or error`: {"--config", bad, "--log-level=INFO+2"},
	} {
		if err := run(context.Background(), args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestTheExitCodeTellsThatTheConfigurationIsTooNew(t *testing.T) {
	for document, want := range map[string]int{`{"version":2}`: 78, `{"version":1e9}`: 78, `{"version":0}`: 1, `{"version":1}`: 1, `{}`: 1, `{`: 1} {
		path := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := exitCode(run(t.Context(), []string{"--config", path})); got != want {
			t.Errorf("%s ends the hub with exit code %d, want %d", document, got, want)
		}
	}
}

func TestListensOnTheHostThatItIsTold(t *testing.T) {
	t.Setenv(hostVariable, "127.1.2.3")
	if got := port(8080); got != "127.1.2.3:8080" {
		t.Error(got)
	}
}

func TestFollowsWhatItsConfigurationRefersTo(t *testing.T) {
	dir := t.TempDir()
	path, secret := filepath.Join(dir, "config.json"), filepath.Join(dir, "references", "secrets", "shop-ci")
	key := `"publishers":{"keys":[{"name":"ci","token":{"kind":"Secret","name":"shop-ci","key":"token"},"topics":["orders"]}]}`
	if err := os.WriteFile(path, []byte(strings.Replace(document, `"publishers":{"anonymous":{}}`, key, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	admin := free(t)
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"--config", path, "--references", filepath.Join(dir, "references"),
			"--subscribe-addr", "127.0.0.1:0", "--publish-addr", "127.0.0.1:0", "--admin-addr", admin})
	}()
	status(t, admin, func(s hub.Status) bool { return len(s.Missing) == 1 && s.Missing[0] == "Secret shop-ci, key token" })
	if err := os.MkdirAll(secret, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(secret, "token"), []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	status(t, admin, func(s hub.Status) bool { return len(s.Missing) == 0 })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
