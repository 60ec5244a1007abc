//go:build linux

package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// timerWake is the epoll data of the timer; connections have their index.
const timerWake = -1

// Publisher sends events. Its methods are called by one goroutine at a time, which holds its thread meanwhile.
type Publisher struct {
	o        PublisherOptions
	template *template
	epoll    int
	timer    int // the next event is due
	wakes    []unix.EpollEvent
	buffer   []byte
	lines    []line
	free     []int // lines without an outstanding request
	course   Course
	out      Published
}

// line is a publisher's connection.
type line struct {
	fd     int32
	sent   time.Time
	events int // of the outstanding request
	reply  reply
}

// NewPublisher connects a publisher. It is ended by Close.
func NewPublisher(o PublisherOptions) (*Publisher, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Publisher{o: o, wakes: make([]unix.EpollEvent, o.InFlight+1), buffer: make([]byte, readBytes)}
	if p.template, err = newTemplate(o); err != nil {
		return nil, err
	}
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return nil, errors.Join(fmt.Errorf("timerfd_create: %w", err), unix.Close(p.epoll))
	}
	if err := p.connect(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Publisher) connect() error {
	if err := p.watch(p.timer, timerWake); err != nil {
		return err
	}
	addr, err := inet4(p.o.Addr)
	if err != nil {
		return err
	}
	for i := range p.o.InFlight {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("socket: %w", err)
		}
		p.lines, p.free = append(p.lines, line{fd: int32(fd)}), append(p.free, i)
		if err := unix.Connect(fd, &addr); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		if err := errors.Join(unix.SetNonblock(fd, true), unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), p.watch(fd, int32(i))); err != nil {
			return err
		}
	}
	return nil
}

func (p *Publisher) watch(fd int, as int32) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: as})
}

// Close ends the connections.
func (p *Publisher) Close() error {
	errs := []error{unix.Close(p.epoll), unix.Close(p.timer)}
	for _, l := range p.lines {
		errs = append(errs, unix.Close(int(l.fd)))
	}
	return errors.Join(errs...)
}

// Publish sends events from up to, and without, to of a course and returns when all of them are answered. An answer that is an error is
// in the result; the error here says that publishing could not go on.
func (p *Publisher) Publish(ctx context.Context, c Course, from, to int) (Published, error) {
	if c.Topics > p.o.Topics {
		return Published{}, fmt.Errorf("a course of %d topics, and a publisher of %d: write the same for both", c.Topics, p.o.Topics)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ran := threadTime()
	p.course, p.out = c, Published{Begin: time.Since(c.Start)}
	err := p.run(ctx, from, to)
	p.out.PublisherBusy = threadTime() - ran
	return p.out, err
}

func (p *Publisher) run(ctx context.Context, from, to int) error {
	began, heard := time.Now(), time.Now()
	for next := from; next < to || len(p.free) < len(p.lines); {
		for next < to && len(p.free) > 0 {
			now := time.Now()
			due := p.due(began, next-from)
			if now.Before(due) {
				if err := p.wakeIn(due.Sub(now)); err != nil {
					return err
				}
				break
			}
			if p.o.Rate > 0 {
				p.out.Lag = max(p.out.Lag, now.Sub(due))
				now = due
			}
			n := min(max(p.o.Lines, 1), to-next)
			if err := p.send(next, n, now); err != nil {
				return err
			}
			next += n
		}
		n, err := unix.EpollWait(p.epoll, p.wakes, int(glance/time.Millisecond))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		if err := p.take(p.wakes[:max(n, 0)]); err != nil {
			return err
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case n > 0 || len(p.free) == len(p.lines):
			heard = time.Now()
		case time.Since(heard) > p.o.Patience:
			return fmt.Errorf("no publish was answered for %v", p.o.Patience)
		}
	}
	return nil
}

// due is when the nth event is to be sent.
func (p *Publisher) due(began time.Time, n int) time.Time {
	if p.o.Rate == 0 {
		return began
	}
	return began.Add(time.Duration(float64(n) / p.o.Rate * float64(time.Second)))
}

func (p *Publisher) wakeIn(d time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if err := unix.TimerfdSettime(p.timer, 0, &spec, nil); err != nil {
		return fmt.Errorf("timerfd_settime: %w", err)
	}
	return nil
}

// send posts n events from number e on, over a free connection.
func (p *Publisher) send(e, n int, at time.Time) error {
	l := &p.lines[p.free[0]]
	p.free = append(p.free[:0], p.free[1:]...) // the one that rested longest
	l.sent, l.events = at, n
	for request := p.template.of(p.course, e, n, at.Sub(p.course.Start)); len(request) > 0; {
		k, errno := send(l.fd, request)
		switch errno {
		case 0:
			request = request[k:]
		case unix.EINTR:
		case unix.EAGAIN:
			if _, err := unix.Poll([]unix.PollFd{{Fd: l.fd, Events: unix.POLLOUT}}, int(p.o.Patience/time.Millisecond)); err != nil && !errors.Is(err, unix.EINTR) {
				return fmt.Errorf("poll: %w", err)
			}
		default:
			return fmt.Errorf("send: %w", errno)
		}
	}
	p.out.Sent += n
	return nil
}

// take reads what woke the publisher.
func (p *Publisher) take(wakes []unix.EpollEvent) error {
	for _, w := range wakes {
		if w.Fd == timerWake {
			var expirations [8]byte
			_, _ = receive(int32(p.timer), expirations[:]) // it may have been set anew since
			continue
		}
		l := &p.lines[w.Fd]
		n, errno := receive(l.fd, p.buffer)
		switch {
		case errno == unix.EAGAIN || errno == unix.EINTR:
			continue
		case errno != 0 || n == 0:
			return errors.Join(errors.New("the server ended a publisher's connection"), nonzero(errno))
		}
		done, err := l.reply.read(p.buffer[:n])
		if err != nil {
			return err
		}
		if done {
			p.answered(l)
			p.free = append(p.free, int(w.Fd))
		}
	}
	return nil
}

func (p *Publisher) answered(l *line) {
	now := time.Now()
	p.out.Reply.Add(now.Sub(l.sent))
	p.out.End = now.Sub(p.course.Start)
	failed, why := l.reply.refused(l.events, p.o.Lines)
	if failed > 0 && p.out.Failed == 0 {
		p.out.Failure = why
	}
	p.out.Failed += failed
	p.out.Answered += l.events - failed
	l.events = 0
	l.reply.reset()
}

// Run publishes a course and receives it, and returns what came of it. What went wrong with the events is in the result; the error says
// that the run could not be made.
func Run(ctx context.Context, r *Readers, p *Publisher, c Course) (Result, error) {
	r.Expect(c)
	var out Result
	var failed error
	published := make(chan struct{})
	go func() {
		defer close(published)
		out.Published, failed = p.Publish(ctx, c, 0, c.Count)
	}()
	err := r.Receive(ctx, published)
	<-published
	out.Received = r.Received()
	return out, errors.Join(err, failed)
}
