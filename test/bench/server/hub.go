//go:build linux

package server

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
)

const (
	defaultEvents    = config.DefaultRetentionEvents
	defaultHeartbeat = config.DefaultHeartbeatInterval
	// retentionBytes is ample for every scenario: events go by their number.
	retentionBytes = 1 << 30
	// longest is how long tokens, events and connections last: longer than any run.
	longest = 20 * time.Hour
	// AllTopics is the pattern of what is declared and granted.
	allTopics = "t.*"
)

// Hub starts hubs as a stream's pod runs them: with token authentication on both ports.
type Hub struct {
	// Program is the path of the hub's binary.
	Program string
	// Core that it runs on.
	Core int
	// Portable has it serve readers by the path for TLS, HTTP/2 and other systems.
	Portable bool
	// ConnectionLimit is the most readers it lets in; 0 is no limit.
	ConnectionLimit int
}

// Start implements Starter.
func (h Hub) Start(ctx context.Context, s Settings) (*Server, error) {
	who, err := newCredentials()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "runnel-bench-")
	if err != nil {
		return nil, err
	}
	server, err := h.startIn(ctx, dir, who, s)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return server, nil
}

func (h Hub) startIn(ctx context.Context, dir string, who *credentials, s Settings) (*Server, error) {
	text, err := json.Marshal(h.config(who, s))
	if err != nil {
		return nil, err
	}
	path, references := filepath.Join(dir, "config.json"), filepath.Join(dir, "references")
	if err := errors.Join(os.WriteFile(path, text, 0o600), who.write(references)); err != nil {
		return nil, err
	}
	const anyPort = "127.0.0.1:0"
	args := []string{"--config", path, "--references", references, "--subscribe-addr", anyPort, "--publish-addr", anyPort, "--admin-addr", anyPort}
	if h.Portable {
		args = append(args, "--portable")
	}
	p, err := run(ctx, h.Core, h.Program, args...)
	if err != nil {
		return nil, err
	}
	return &Server{
		Subscribe: p.said.Subscribe, Publish: p.said.Publish, Reader: bearer(who.reader), Publisher: bearer(who.publisher), PID: p.command.Process.Pid,
		stop: func() error { return errors.Join(p.stop(), os.RemoveAll(dir)) },
	}, nil
}

func (h Hub) config(who *credentials, s Settings) *config.Config {
	if s.Events == 0 {
		s.Events = defaultEvents
	}
	if s.Heartbeat == 0 {
		s.Heartbeat = defaultHeartbeat
	}
	return &config.Config{
		Version:   config.Version,
		Stream:    config.Stream{Namespace: namespace, Name: "bench"},
		Topics:    []config.Topic{{Name: allTopics, Events: s.Events, Age: config.Duration(longest)}},
		Retention: config.Retention{Bytes: retentionBytes},
		Heartbeat: config.Heartbeat{Interval: config.Duration(s.Heartbeat), Minimum: config.Duration(time.Second)},
		Reconnect: config.Reconnect{Delay: config.Duration(config.DefaultReconnectDelay), MaxConnectionAge: config.Duration(longest)},
		Limits:    config.Limits{ConnectionsPerHub: h.ConnectionLimit, MaxEventSize: config.DefaultMaxEventSize},
		Auth:      who.auth(),
	}
}
