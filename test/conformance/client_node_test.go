package conformance_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/runnel-dev/runnel/test/browser"
	"github.com/runnel-dev/runnel/test/suite"
)

// packages is where npm puts the JavaScript clients.
var packages = filepath.Join("npm", "node_modules")

// missingPackages says why there are no JavaScript clients, if there are none.
func missingPackages() string {
	locked, err := os.Stat(filepath.Join("npm", "package-lock.json"))
	if err != nil {
		return err.Error()
	}
	installed, err := os.Stat(filepath.Join(packages, ".package-lock.json"))
	if err != nil || installed.ModTime().Before(locked.ModTime()) {
		return "npm's packages are not there, or old: run test/setup, or npm ci in test/conformance/npm"
	}
	return ""
}

// missingNode says why JavaScript cannot run outside of a browser, if so.
func missingNode() string {
	if missing := missingPackages(); missing != "" {
		return missing
	}
	if nodeProgram() == "" {
		return "no Node: install it (apt-get install nodejs npm), and run test/setup"
	}
	return ""
}

// nodeProgram is npm's own Node, which test/setup fetches where the machine's is too old, or else the machine's.
func nodeProgram() string {
	program := filepath.Join(packages, ".bin", "node")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	program, _ = exec.LookPath("node") // none is an answer
	return program
}

// nodeClient is a version of npm's eventsource, in Node.
func nodeClient(name string) client {
	versions := map[string]string{"eventsource": "5", "eventsource-4": "4"}
	return client{
		name:    "eventsource " + versions[name] + " in Node",
		missing: missingNode,
		open: func(url string) func(context.Context, func(browser.Event)) error {
			arguments := append([]string{filepath.Join("npm", "read.mjs"), name, url, tick}, controlTypes...)
			return func(ctx context.Context, got func(browser.Event)) error {
				return lines(exec.CommandContext(ctx, nodeProgram(), arguments...), got)
			}
		},
	}
}

// lines runs a program that prints events as JSON, one a line, until it ends.
func lines(program *exec.Cmd, got func(browser.Event)) error {
	out, err := program.StdoutPipe()
	if err != nil {
		return err
	}
	program.Stderr = suite.Log()
	if err := program.Start(); err != nil {
		return err
	}
	decoder := json.NewDecoder(bufio.NewReader(out))
	for {
		var e browser.Event
		if err := decoder.Decode(&e); err != nil {
			return errors.Join(fmt.Errorf("the program's output ended: %w", err), program.Wait())
		}
		got(e)
	}
}

// quoted is a text as a JavaScript expression.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string has a form
	}
	return string(b)
}
