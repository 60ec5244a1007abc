// Package cmd_test holds the programs against the architecture: imports point one way, and no program carries what it does not
// need.
package cmd_test

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/runnel-dev/runnel/"

func TestImportsPointOneWay(t *testing.T) {
	for _, rule := range []struct {
		packages, forbidden, why string
	}{
		{"hub/...", "k8s.io/", "a hub knows nothing of Kubernetes"},
		{"hub/...", "sigs.k8s.io/", "a hub knows nothing of Kubernetes"},
		{"hub/...", module + "controllers", "the operator writes for the hub, not the other way round"},
		{"cmd/hub", "k8s.io/", "a hub's program is small"},
		{"hub/event", module, "event stands alone"},
		{"hub/eventlog", "net/http", "the log knows no sockets"},
		{"hub/fanout", "net/http", "the fan-out knows no HTTP"},
		{"hub/peer", module + "hub/fanout", "hubs tell each other of events, not of readers"},
		{"controllers/render", "sigs.k8s.io/controller-runtime", "render is pure: it has no client"},
		{"controllers/render", module + "hub/eventlog", "render needs the hub's configuration alone"},
		{"cmd/operator", "go.etcd.io/etcd/server", "the API server of the tests stays there"},
		{"cmd/operator", module + "hub/fanout", "the operator runs no hub"},
	} {
		out, err := exec.Command("go", "list", "-deps", module+rule.packages).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, imported := range strings.Fields(string(out)) {
			itself := imported == module+strings.TrimSuffix(rule.packages, "/...")
			if strings.HasPrefix(imported, rule.forbidden) && !itself {
				t.Errorf("%s imports %s: %s", rule.packages, imported, rule.why)
			}
		}
	}
}
