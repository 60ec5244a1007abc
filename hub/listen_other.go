//go:build !linux

package hub

import (
	"net"
	"time"
)

// limitSilence does nothing: the system decides how long it sends again.
func limitSilence(uintptr, time.Duration) error { return nil }

// limitUnsent does nothing: the system decides how much it buffers.
func limitUnsent(uintptr, int) error { return nil }

// queued returns nothing: the system does not tell.
func queued(net.Listener) int { return 0 }
