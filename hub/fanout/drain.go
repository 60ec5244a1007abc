package fanout

import "time"

const (
	// drainStep is how often a drain goes on: it closes what the even rate has it close in that time.
	drainStep = 20 * time.Millisecond
	// drainBurst bounds what is made up for at once, since it can have been the process that stood still: all readers that are overdue then
	// would come back together. The drain takes as much longer.
	drainBurst = 5 * drainStep
)

// Drain ends all readers, spread evenly over a window, and those that still come at the window's end. It returns at once. A process that
// gets no time takes longer, and does not hurry afterwards.
func (p *Pool) Drain(window time.Duration) {
	end := p.now() + window
	p.drained.Store(&end)
	var all []*reader
	p.each(func(r *reader) { all = append(all, r) })
	if window <= 0 {
		p.dismiss(all)
		return
	}
	p.loops.Go(func() { p.drain(all, pace{window: window, readers: len(all), last: p.now()}) })
}

// drain ends readers at a pace, until all are told or the pool is closed.
func (p *Pool) drain(readers []*reader, at pace) {
	ticker := time.NewTicker(drainStep)
	defer ticker.Stop()
	for len(readers) > 0 {
		n := at.due(p.now())
		p.dismiss(readers[:n])
		readers = readers[n:]
		select {
		case <-ticker.C:
		case <-p.ctx.Done():
			return
		}
	}
}

func (p *Pool) dismiss(readers []*reader) {
	now := p.now()
	for _, r := range readers {
		r.endAt(now, ReasonDrain)
	}
}

// pace is how far a drain has come.
type pace struct {
	window  time.Duration
	readers int
	last    instant       // when it was asked last
	spent   time.Duration // of the window
	done    int
}

// due is how many readers more are to be ended by now. The first is at once.
func (p *pace) due(now instant) int {
	p.spent = min(p.spent+min(now-p.last, drainBurst), p.window)
	p.last = now
	// Exact for as many readers and as long a window as there can be: a float has 53 bits.
	until := min(1+int(float64(p.readers)*float64(p.spent)/float64(p.window)), p.readers)
	n := until - p.done
	p.done = until
	return n
}
