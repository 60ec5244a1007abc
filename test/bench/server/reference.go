//go:build linux

package server

import "context"

// Reference starts the raw reference.
type Reference struct {
	// Command starts it: a program and its first arguments.
	Command []string
	// Core that it runs on.
	Core int
	// Batch has it join the events of a round.
	Batch bool
}

// Start implements Starter.
func (r Reference) Start(ctx context.Context, _ Settings) (*Server, error) {
	args := append([]string{}, r.Command[1:]...)
	if r.Batch {
		args = append(args, "--batch")
	}
	p, err := run(ctx, r.Core, r.Command[0], args...)
	if err != nil {
		return nil, err
	}
	return &Server{Subscribe: p.said.Subscribe, Publish: p.said.Publish, PID: p.command.Process.Pid, stop: p.stop}, nil
}
