//go:build linux

package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/runnel-dev/runnel/test/bench/process"
)

// announcement is the line of JSON in which a program says where it listens.
type announcement struct {
	Subscribe string `json:"subscribe"`
	Publish   string `json:"publish"`
	Level     string `json:"level"`
	Message   string `json:"msg"`
}

// program is a started process.
type program struct {
	command *exec.Cmd
	errors  bytes.Buffer // what it wrote to standard error; read after it has ended
	out     chan struct{}
	said    announcement
}

// run starts a program and returns when it has said where it listens.
func run(ctx context.Context, core int, path string, args ...string) (*program, error) {
	p := &program{command: exec.Command(path, args...), out: make(chan struct{})}
	p.command.Stderr = &p.errors
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(p.command, core); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	said := make(chan announcement, 1)
	go p.read(stdout, said)
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case p.said = <-said:
		return p, nil
	case <-p.out:
		err = errors.New("it ended")
	case <-ctx.Done():
		err = ctx.Err()
	case <-timeout.C:
		err = fmt.Errorf("it does not say where it listens within %v", patience)
	}
	err = errors.Join(fmt.Errorf("start %s: %w", path, err), p.stop())
	return nil, fmt.Errorf("%w: %s", err, p.errors.Bytes())
}

// read looks for the announcement, and then keeps the pipe empty.
func (p *program) read(stdout io.Reader, said chan<- announcement) {
	defer close(p.out)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var a announcement
		if json.Unmarshal(lines.Bytes(), &a) == nil && a.Subscribe != "" {
			said <- a
			break
		}
	}
	_, _ = io.Copy(io.Discard, stdout) // until it ends
}

// stop ends the program, by force if it does not end by itself.
func (p *program) stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	kill := time.AfterFunc(patience, func() { _ = p.command.Process.Kill() })
	defer kill.Stop()
	<-p.out
	if err := p.command.Wait(); err != nil {
		return fmt.Errorf("%s ended with %w: %s", p.command.Path, err, p.errors.Bytes())
	}
	return nil
}
