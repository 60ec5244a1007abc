package http1

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/runnel-dev/runnel/hub/poll"
)

// Front serves the connections of a listener.
type Front struct {
	listener net.Listener
	raw      syscall.RawConn // of the listener
	handler  Handler
	options  Options
	passed   *handover
	loops    []*loop
	full     atomic.Int64  // when a connection last had to wait, in nanoseconds since 1970
	turns    atomic.Uint64 // of the loops among those with the fewest connections
	phase    atomic.Int32  // one of the phases
	claimed  atomic.Bool   // by Serve, or by who ends a front that nobody serves
	done     chan struct{} // closed when no loop runs, nor will

	wholeWithin time.Duration // the constant, unless a test changes it
}

// The phases of a Front.
const (
	serving int32 = iota
	ending        // no new connections, and none that rests
	ended         // none
)

// New returns a front for a listener's connections, with a loop for each processor that Go uses. It owns the listener from then on; Serve
// must be called, or Close. It fails with errors.ErrUnsupported for what is not TCP.
func New(listener net.Listener, handler Handler, options Options) (*Front, error) {
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("a listener for %s: %w", listener.Addr().Network(), errors.ErrUnsupported)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	f := &Front{listener: listener, raw: raw, handler: handler, options: options, wholeWithin: wholeWithin, passed: newHandover(listener.Addr()), done: make(chan struct{})}
	if err := f.control(func(fd int) error { return prepare(fd, options.KeepAlive) }); err != nil {
		return nil, err
	}
	for range runtime.GOMAXPROCS(0) {
		l, err := newLoop(f)
		if err != nil {
			return nil, errors.Join(err, f.closeLoops())
		}
		f.loops = append(f.loops, l)
	}
	return f, nil
}

// Passed is the listener for net/http. Its connections have what was read of them before, and a method NetConn for the *net.TCPConn below.
// Closing it closes none that was accepted from it.
func (f *Front) Passed() net.Listener { return f.passed }

// Serve runs until Shutdown or Close, and returns nil then, or until a loop fails. Called again, or after those, it returns net.ErrClosed.
func (f *Front) Serve() error {
	if f.claimed.Swap(true) {
		return net.ErrClosed
	}
	defer close(f.done)
	failed := make([]error, len(f.loops))
	var running sync.WaitGroup
	for i, l := range f.loops {
		running.Go(func() {
			if failed[i] = l.run(); failed[i] != nil {
				f.enter(ended)
			}
		})
	}
	running.Wait()
	return errors.Join(errors.Join(failed...), f.closeListener(), f.closeLoops())
}

// StopAccepting closes the listener. Connections are served as before.
func (f *Front) StopAccepting() error { return f.closeListener() }

// Shutdown ends Serve: it closes the listener and the connections that rest between requests, and waits for those in the middle of a
// request's body, for answers that are not sent yet, and until net/http answers the whole requests that it was given. When ctx is done, it does
// what Close does and returns the context's error. net/http is shut down after it.
func (f *Front) Shutdown(ctx context.Context) error {
	err := f.closeListener()
	f.enter(ending)
	f.notServed()
	select {
	case <-f.done:
	case <-ctx.Done():
		return errors.Join(err, f.Close(), ctx.Err())
	}
	return errors.Join(err, f.passed.wait(ctx))
}

// Close ends Serve, closes the listener and all connections that were neither passed on nor taken, and waits for that.
func (f *Front) Close() error {
	err := f.closeListener()
	f.enter(ended)
	f.notServed()
	<-f.done
	return err
}

// notServed makes an end where Serve was never called.
func (f *Front) notServed() {
	if f.claimed.Swap(true) {
		return
	}
	_ = f.closeLoops() // which have no connections
	close(f.done)
}

func (f *Front) closeListener() error {
	if err := f.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (f *Front) closeLoops() (err error) {
	for _, l := range f.loops {
		err = errors.Join(err, l.poller.Close())
	}
	return err
}

// enter begins a phase, unless a later one has begun, and wakes the loops.
func (f *Front) enter(phase int32) {
	for now := f.phase.Load(); now < phase && !f.phase.CompareAndSwap(now, phase); now = f.phase.Load() {
	}
	for _, l := range f.loops {
		_ = l.poller.SetDeadline(time.Unix(1, 0)) // one that has ended needs none
	}
}

// leaving reports whether each answer ends its connection.
func (f *Front) leaving() bool {
	return f.phase.Load() > serving || f.options.Closing != nil && f.options.Closing()
}

// control does something with the listening socket, which stays open meanwhile. It fails with net.ErrClosed when it is closed.
func (f *Front) control(do func(fd int) error) error {
	var err error
	if closed := f.raw.Control(func(fd uintptr) { err = do(int(fd)) }); closed != nil {
		return net.ErrClosed
	}
	return err
}

// accept takes the next connection.
func (f *Front) accept() (fd int, err error) {
	err = f.control(func(listener int) error {
		var err error
		fd, err = poll.Accept(listener)
		return err
	})
	return fd, err
}
