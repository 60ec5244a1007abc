// Package poll waits for many sockets in one goroutine and moves bytes without a goroutine, a buffer or a timer for each of them.
// It is there on Linux; elsewhere New fails with errors.ErrUnsupported.
package poll

import "errors"

// Events of a socket, for Interest and Ready.
type Events uint32

// ErrAgain says that a socket takes or has nothing now, and Wait will tell when it does.
var ErrAgain = errors.New("not now")

// Token is what a socket was registered under. Its owner chooses it.
type Token uint64

// Ready is a socket with something to do.
type Ready struct {
	Token  Token
	Events Events
}
