//go:build !linux

package http1

import (
	"context"
	"errors"
	"net"
)

// Front is nothing here.
type Front struct{}

// New fails with errors.ErrUnsupported, and leaves the listener alone.
func New(net.Listener, Handler, Options) (*Front, error) { return nil, errors.ErrUnsupported }

// Passed and the other methods are never called, since there is no Front.
func (*Front) Passed() net.Listener { return nil }

// Connections returns nothing.
func (*Front) Connections() int { return 0 }

// Serve fails.
func (*Front) Serve() error { return errors.ErrUnsupported }

// StopAccepting fails.
func (*Front) StopAccepting() error { return errors.ErrUnsupported }

// Shutdown fails.
func (*Front) Shutdown(context.Context) error { return errors.ErrUnsupported }

// Close fails.
func (*Front) Close() error { return errors.ErrUnsupported }
