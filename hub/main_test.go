package hub_test

import (
	"flag"
	"os"
	"testing"
)

// portable is how hubs of tests serve their connections.
var portable bool

// TestMain runs all tests over both ways to serve connections, unless there is something else to do.
func TestMain(m *testing.M) {
	status := m.Run()
	for _, other := range []string{"test.fuzz", "test.bench", "test.list"} {
		if flag.Lookup(other).Value.String() != "" {
			os.Exit(status)
		}
	}
	portable = true
	os.Exit(max(status, m.Run()))
}
