//go:build linux

package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// readBytes is the one buffer that all connections are read into: more than a socket holds in most wake-ups.
	readBytes = 256 << 10
	// wakeUps are taken from the kernel at a time.
	wakeUps = 1024
	// glance is how often a thread that waits looks whether it shall go on.
	glance = 5 * time.Millisecond
)

// Readers are many subscriber connections. Its methods are called by one goroutine at a time, which holds its thread meanwhile;
// only Record and Ready may be called by others.
type Readers struct {
	o        ReaderOptions
	addr     unix.SockaddrInet4
	requests [][]byte
	epoll    int
	wakes    []unix.EpollEvent
	buffer   []byte
	conns    []connection
	opened   int
	ready    atomic.Int64
	paced    []int32 // slow connections, which are not woken
	nextPace time.Time
	lost     int // what connections that have ended did not get of the course
	tally
}

// NewReaders prepares connections and opens none. It is ended by Close.
func NewReaders(o ReaderOptions) (*Readers, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Readers{
		o: o, wakes: make([]unix.EpollEvent, wakeUps), buffer: make([]byte, readBytes), conns: make([]connection, o.Readers),
		tally: newTally(o),
	}
	if r.addr, err = inet4(o.Addr); err != nil {
		return nil, err
	}
	if r.requests, err = o.requests(); err != nil {
		return nil, err
	}
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	return r, nil
}

func inet4(addr string) (out unix.SockaddrInet4, err error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil || !a.Addr().Is4() {
		return out, fmt.Errorf("%q is no IPv4 address and port: write one such as 127.0.0.1:8080", addr)
	}
	return unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, nil
}

// Expect begins a course: what Result says is of this one alone.
func (r *Readers) Expect(c Course) {
	r.expect(c)
	r.lost = 0
	for i := range r.conns[:r.opened] {
		if r.conns[i].phase == over {
			r.lost += r.outstanding(i)
		}
	}
}

// Record says whether latencies are counted; from the beginning they are.
func (r *Readers) Record(on bool) { r.skip.Store(!on) }

// Ready is how many connections were ever answered with a stream.
func (r *Readers) Ready() int { return int(r.ready.Load()) }

// Connect opens all connections and returns when each is answered with a stream.
func (r *Readers) Connect(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer r.account()()
	progress, before := time.Now(), 0
	for r.Ready() < len(r.conns) {
		for r.opened < len(r.conns) && r.opened-r.Ready() < r.o.Opening {
			if err := r.open(r.opened); err != nil {
				return fmt.Errorf("reader %d: %w", r.opened, err)
			}
			r.opened++
		}
		if err := r.pump(ctx); err != nil {
			return err
		}
		if n := r.Ready(); n > before {
			progress, before = time.Now(), n
		} else if time.Since(progress) > defaultConnectPatience {
			return fmt.Errorf("%d of %d readers are connected, and no more for %v", n, len(r.conns), defaultConnectPatience)
		}
	}
	return nil
}

// Receive reads until all of the course has come that still can, or nothing more does for a while after published is closed. A
// connection that has ended brings nothing more.
func (r *Readers) Receive(ctx context.Context, published <-chan struct{}) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer r.account()()
	var quiet time.Time // since when nothing came after all was published
	for before := -1; ; {
		over := closed(published)
		if over && r.got+r.lost >= r.expected {
			return nil
		}
		if err := r.pump(ctx); err != nil {
			return err
		}
		switch {
		case !over || r.got != before:
			before, quiet = r.got, time.Now()
		case time.Since(quiet) > r.o.Patience:
			return nil
		}
	}
}

// Rest reads for a time, whatever comes.
func (r *Readers) Rest(ctx context.Context, d time.Duration) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer r.account()()
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := r.pump(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close cuts all connections by reset, so that no port stays taken.
func (r *Readers) Close() error {
	var errs []error
	for i := range r.conns[:r.opened] {
		errs = append(errs, r.conns[i].close())
	}
	return errors.Join(append(errs, unix.Close(r.epoll))...)
}

// pump takes what there is, or waits for a short while.
func (r *Readers) pump(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := unix.EpollWait(r.epoll, r.wakes, int(glance/time.Millisecond))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("epoll_wait: %w", err)
	}
	for _, w := range r.wakes[:max(n, 0)] {
		if err := r.woken(w); err != nil {
			return fmt.Errorf("reader %d: %w", w.Fd, err)
		}
	}
	return r.readSlowly()
}

// readSlowly lets slow readers take what they take, when it is time.
func (r *Readers) readSlowly() error {
	if len(r.paced) == 0 || r.o.Slow.Bytes == 0 || time.Now().Before(r.nextPace) {
		return nil
	}
	r.nextPace = time.Now().Add(r.o.Slow.Every)
	for _, i := range r.paced {
		if c := &r.conns[i]; c.phase != over {
			if err := r.read(i, r.buffer[:r.o.Slow.Bytes], false); err != nil {
				return fmt.Errorf("reader %d: %w", i, err)
			}
		}
	}
	return nil
}

// account adds up for how long the thread runs until the function that it returns is called.
func (r *Readers) account() func() {
	before := threadTime()
	return func() { r.busy += threadTime() - before }
}

// threadTime is for how long the calling thread has run.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
