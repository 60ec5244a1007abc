// Package fault puts faults between a reconciler and its API server, for tests of what a reconciler leaves behind when it is
// disturbed: a call that fails or whose answer is lost, a process that ends between two calls, a cache that lags behind.
//
// What it cannot do: reorder the calls of one reconciliation, or run two reconciliations at once.
package fault

import (
	"errors"
	"fmt"
	"sync"
)

// Kind of a fault.
type Kind int

const (
	// Refused fails a call before it takes effect, as an API server does that is overloaded or gone.
	Refused Kind = iota
	// Lost fails a call after it took effect: the answer gets lost.
	Lost
	// CrashBefore ends the process in place of a call.
	CrashBefore
	// CrashAfter ends the process when a call has taken effect, before its answer is read.
	CrashAfter
)

// String says what happens.
func (k Kind) String() string {
	return [...]string{"is refused", "takes effect and its answer is lost", "is never made, as the process ends", "takes effect and the process ends"}[k]
}

// ErrInjected is what calls fail with; errors.Is finds it.
var ErrInjected = errors.New("a fault")

// Crash is what a call panics with that the process does not outlive. Whoever runs the reconciler recovers it, throws the reconciler
// away and makes another one.
type Crash struct{ Call string }

// Calls counts calls and makes one of them fail. The zero value only counts.
type Calls struct {
	mu    sync.Mutex
	n     int
	armed int
	kind  Kind
	made  []string
	fired string
}

// Arm makes the n-th call from now on fail, counted from 1.
func (c *Calls) Arm(n int, k Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n, c.armed, c.kind, c.made, c.fired = 0, n, k, nil, ""
}

// Made lists the calls since the last Arm.
func (c *Calls) Made() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.made...)
}

// Fired says which call failed; empty if none has.
func (c *Calls) Fired() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fired
}

// next counts a call and says whether it is the one.
func (c *Calls) next(name string) (Kind, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	c.made = append(c.made, name)
	if c.n != c.armed {
		return 0, false
	}
	c.fired = name
	return c.kind, true
}

// Do makes a call, or fails it.
func (c *Calls) Do(name string, call func() error) error {
	kind, ok := c.next(name)
	if !ok {
		return call()
	}
	if kind == Lost || kind == CrashAfter {
		if err := call(); err != nil {
			return err // it had no effect, and nothing is left to be lost
		}
	}
	if kind == CrashBefore || kind == CrashAfter {
		panic(Crash{name})
	}
	return fmt.Errorf("%s: %w: it %s", name, ErrInjected, kind)
}
