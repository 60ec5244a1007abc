package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const valid = `apiVersion: runnel.dev/v1alpha1
kind: EventStream
metadata: {name: shop}
spec:
  topics: [{name: orders}]
  auth: {subscribers: {anonymous: {}}}
`

// execute runs a command line and returns what it prints to standard output and to standard error.
func execute(t *testing.T, args ...string) (out, problems string, err error) {
	t.Helper()
	c := newCommand("runnel")
	var o, e bytes.Buffer
	c.SetOut(&o)
	c.SetErr(&e)
	c.SetArgs(args)
	err = c.ExecuteContext(t.Context())
	return o.String(), e.String(), err
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"what the API server refuses": {[]string{"validate", "-f", file(t, strings.Replace(valid, "orders", "a b", 1))}, `The EventStream "shop" is invalid: spec.topics[0].name: Invalid value: "a b": write tokens`},
		"what the operator refuses":   {[]string{"validate", "-f", file(t, valid+"  retention: {bytes: 1Mi}\n  limits: {maxEventSize: 4Mi}\n")}, `The EventStream "shop" cannot be carried out: `},
		"no such file":                {[]string{"validate", "-f", "nowhere.yaml"}, "open nowhere.yaml: no such file"},
		"no file named":               {[]string{"validate"}, "no file is named: write -f eventstream.yaml"},
		"file without -f":             {[]string{"dev", "f.yaml"}, `takes no argument "f.yaml": name the file by -f f.yaml`},
		"no address":                  {[]string{"dev", "-f", "f.yaml", "--publish-addr", "8081"}, `--publish-addr: "8081" is no address: write host:port, such as 127.0.0.1:8080`},
		"no level":                    {[]string{"dev", "-f", "f.yaml", "--log-level", "loud"}, `invalid argument "loud" for "--log-level" flag: write debug, info, warn or error`},
		"a command that is not":       {[]string{"serve"}, `unknown command "serve"`},
	} {
		t.Run(name, func(t *testing.T) {
			out, _, err := execute(t, c.args...)
			if err == nil || !strings.Contains(err.Error(), c.want) || out != "" {
				t.Errorf("got %q, %v; want %q", out, err, c.want)
			}
		})
	}
}

func TestVersionNamesTheAPI(t *testing.T) {
	out, _, err := execute(t, "version")
	if err != nil || !strings.HasPrefix(out, "runnel ") || !strings.Contains(out, "runnel.dev/v1alpha1") {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestPluginSpeaksOfKubectl(t *testing.T) {
	if got := newCommand("/usr/local/bin/kubectl-runnel").UsageString(); !strings.Contains(got, "kubectl runnel [command]") {
		t.Errorf("got %s", got)
	}
}
