// Package server starts what is measured: a hub with its configuration and credentials, or the raw reference, each as a process of
// its own on a core of its own. It runs on Linux alone.
package server

import (
	"context"
	"net/http"
	"time"
)

// patience bounds how long a server may take to start, and to stop. It is many times what a slow and busy machine takes.
const patience = 2 * time.Minute

// Settings of a server that a scenario needs. A reference has none.
type Settings struct {
	// Events that are retained for each topic. 0 is 100.
	Events int
	// Heartbeat is the longest silence. 0 is 15 s.
	Heartbeat time.Duration
}

// Starter starts servers.
type Starter interface {
	// Start starts a server, which runs until Stop.
	Start(ctx context.Context, s Settings) (*Server, error)
}

// Server is a running one.
type Server struct {
	// Subscribe and Publish are its addresses, host:port.
	Subscribe, Publish string
	// Reader and Publisher are what clients send, their credentials above all.
	Reader, Publisher http.Header
	// PID is its process.
	PID int

	stop func() error
}

// New is a server that runs already, takes everybody, and listens for readers and publishers at one or two addresses.
func New(subscribe, publish string, pid int, stop func() error) *Server {
	return &Server{Subscribe: subscribe, Publish: publish, PID: pid, stop: stop}
}

// Stop ends it, and returns when it is gone.
func (s *Server) Stop() error { return s.stop() }
