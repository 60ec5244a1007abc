//go:build !linux

package poll

import (
	"errors"
	"syscall"
	"time"
)

// What a socket would be ready for.
const (
	Readable Events = 1 << iota
	Writable
	Ended
	Closed
)

// Poller is nothing here.
type Poller struct{}

// New fails with errors.ErrUnsupported.
func New() (*Poller, error) { return nil, errors.ErrUnsupported }

// Close and the other methods are never called, since there is no Poller.
func (*Poller) Close() error { return errors.ErrUnsupported }

// Add fails.
func (*Poller) Add(int, Events, Token) error { return errors.ErrUnsupported }

// Change fails.
func (*Poller) Change(int, Events, Token) error { return errors.ErrUnsupported }

// Remove fails.
func (*Poller) Remove(int) error { return errors.ErrUnsupported }

// SetDeadline fails.
func (*Poller) SetDeadline(time.Time) error { return errors.ErrUnsupported }

// Wait fails.
func (*Poller) Wait(into []Ready) ([]Ready, error) { return into, errors.ErrUnsupported }

// Poll fails.
func (*Poller) Poll(into []Ready) ([]Ready, error) { return into, errors.ErrUnsupported }

// Read fails.
func Read(int, []byte) (int, error) { return 0, errors.ErrUnsupported }

// Write fails.
func Write(int, []byte) (int, error) { return 0, errors.ErrUnsupported }

// Accept fails.
func Accept(int) (int, error) { return -1, errors.ErrUnsupported }

// Detach fails.
func Detach(syscall.Conn) (int, error) { return -1, errors.ErrUnsupported }

// EndWriting fails.
func EndWriting(int) error { return errors.ErrUnsupported }

// CloseSocket fails.
func CloseSocket(int) error { return errors.ErrUnsupported }
