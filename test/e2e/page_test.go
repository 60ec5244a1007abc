package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"

	"github.com/runnel-dev/runnel/test/sse"
	"github.com/runnel-dev/runnel/test/suite"
)

const (
	// firstRetry is a browser's own reconnection time, until a stream sets another.
	firstRetry = 3 * time.Second
	// opening is the number of pages that connect for the first time at the same time.
	opening = 256
	// Endpoints may be late for lateEndpoints after this process paused for latePause. A hub drains 5 s after it began to end.
	lateEndpoints, latePause = 15 * time.Second, time.Second
)

// page is a browser's page that reads one topic: it connects again after whatever ends its connection, with the id of the last
// event that it saw. It is stricter than a browser, which recovers in silence: each connection must be answered with a stream that goes on
// exactly where the last one ended, and must end as a draining hub ends it. A hub may turn the page away only when mayTurnAway says so.
type page struct {
	number  int
	topic   string
	url     string
	headers []sse.Header
	crowd   *crowd

	cursor string
	retry  time.Duration
	last   uint64 // sequence of the last event
	epoch  string
	closed string // the reason that the last connection was closed for
	begun  func() // called when the first connection is there, or has failed

	mu  sync.Mutex  // guards got
	got map[int]int // how often each event came
}

// crowd is many pages. Its methods may be called by any goroutine.
type crowd struct {
	began     time.Time
	transport http.RoundTripper
	pages     []*page
	faults    faults
	connected atomic.Int64 // pages that are connected now
	received  atomic.Int64 // deliveries
	connects  moments
	// evicting is true while there may be no hub that is ready and stays. A new connection can then meet a draining hub, which turns it away.
	evicting   atomic.Bool
	turnedAway atomic.Int64
	paused     pauses
	stop       context.CancelFunc
	all        sync.WaitGroup
}

// newCrowd makes n pages; open begins them. make gives a page what it reads.
func newCrowd(n int, each func(*page)) *crowd {
	c := &crowd{began: time.Now(), transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	for i := range n {
		p := &page{number: i, crowd: c, retry: firstRetry, got: map[int]int{}}
		each(p)
		c.pages = append(c.pages, p)
	}
	return c
}

// open opens all pages, and returns when they are connected, with the time that it took. They end with close.
func (c *crowd) open() time.Duration {
	GinkgoHelper()
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	DeferCleanup(c.told)
	c.faults.during("opening")
	c.all.Go(func() { c.paused.watch(ctx) })
	began := time.Now()
	slots := make(chan struct{}, opening)
	for _, p := range c.pages {
		p.begun = sync.OnceFunc(func() { <-slots })
		select {
		case slots <- struct{}{}:
		case <-time.After(suite.Patience):
			Fail(fmt.Sprintf("%d pages are connected, and none more for %v", c.connected.Load(), suite.Patience))
		}
		c.all.Go(func() { p.run(ctx) })
	}
	c.allConnected()
	return time.Since(began)
}

// allConnected waits until all pages are connected.
func (c *crowd) allConnected() {
	GinkgoHelper()
	suite.Reaches(func() int { return int(c.connected.Load()) }, len(c.pages), "pages are connected")
}

// close ends all pages and waits for them. It may be called more than once.
func (c *crowd) close() {
	c.stop()
	c.all.Wait()
}

// told closes the pages, and tells what was wrong if the spec has failed before it was looked at.
func (c *crowd) told() {
	c.close()
	if CurrentSpecReport().Failed() {
		GinkgoWriter.Println(c.faults.all())
	}
}

func (p *page) run(ctx context.Context) {
	for ctx.Err() == nil {
		p.crowd.connects.note()
		p.connection(ctx)
		until(ctx, time.Now().Add(p.retry))
	}
}

// fault notes what a page must not see. Nothing is one that its own end has caused.
func (p *page) fault(ctx context.Context, what string, detail any) {
	if ctx.Err() == nil {
		p.crowd.faults.add(what, "page %d behind %q: %v", p.number, p.cursor, detail)
	}
}

// connection is one connection from its beginning to its end.
func (p *page) connection(ctx context.Context) {
	defer p.begun()
	mayBeTurnedAway := p.crowd.mayTurnAway()
	s, err := sse.OpenBy(ctx, p.crowd.transport, p.url, append(p.headers, sse.LastEventID(p.cursor))...)
	var refused *sse.StatusError
	if errors.As(err, &refused) {
		p.fault(ctx, "status other than 200", err)
		return
	} else if err != nil {
		p.fault(ctx, "connection that was not answered", err)
		return
	}
	p.crowd.connected.Add(1)
	p.begun()
	defer p.crowd.connected.Add(-1)
	defer s.Close()
	p.closed = ""
	for {
		e, err := s.Next(ctx)
		if err != nil {
			switch {
			case p.closed == "overloaded" && errors.Is(err, io.EOF) && mayBeTurnedAway:
				p.crowd.turnedAway.Add(1)
			case p.closed != "drain" || !errors.Is(err, io.EOF):
				p.fault(ctx, "connection that did not end by a drain", strconv.Quote(p.closed)+", "+err.Error())
			}
			return
		}
		p.event(ctx, e)
	}
}

// mayTurnAway reports whether a hub that drains may be found by a new connection: while the hub is evicted, and when this process, in which
// the Services' endpoints are kept, may have been late to leave that hub out.
func (c *crowd) mayTurnAway() bool {
	now := time.Now()
	return c.evicting.Load() || c.paused.longest(now.Add(-lateEndpoints), now) >= latePause
}

func (p *page) event(ctx context.Context, e sse.Event) {
	if e.Retry != nil {
		p.retry = *e.Retry
	}
	var control struct{ Resume, Reason string }
	if strings.HasPrefix(e.Type, "runnel-") {
		if err := json.Unmarshal([]byte(e.Data), &control); err != nil {
			p.fault(ctx, "control event that is no JSON", e)
		}
	}
	switch e.Type {
	case "runnel-open":
		if want := p.expected(); control.Resume != want {
			p.fault(ctx, "resume other than "+want, e.Data)
		}
	case "runnel-close":
		p.closed = control.Reason
	case "message":
		p.message(ctx, e)
	case "": // the cursor alone
	default:
		p.fault(ctx, e.Type, e.Data)
	}
	p.cursor = e.ID
}

// expected is what a connection resumes as.
func (p *page) expected() string {
	if p.cursor == "" {
		return "live"
	}
	return "exact"
}

// message is an event with a number, whose id must be newer than all before it, in one epoch.
func (p *page) message(ctx context.Context, e sse.Event) {
	number, err := strconv.Atoi(e.Data)
	epoch, seq, errID := parseID(e.ID)
	if err := errors.Join(err, errID); err != nil {
		p.fault(ctx, "event that nobody sent", err)
		return
	}
	if p.epoch != "" && (epoch != p.epoch || seq <= p.last) {
		p.fault(ctx, "event out of order", e.ID)
	}
	p.epoch, p.last = epoch, seq
	p.mu.Lock()
	defer p.mu.Unlock()
	p.crowd.received.Add(1)
	if p.got[number]++; p.got[number] > 1 {
		p.fault(ctx, "event that came twice", number)
	}
}

// parseID takes an event's id apart.
func parseID(id string) (epoch string, seq uint64, err error) {
	epoch, text, _ := strings.Cut(id, "-")
	seq, err = strconv.ParseUint(text, 10, 64)
	return epoch, seq, err
}

// lacks are the first few of some events that a page did not get.
func (p *page) lacks(events []int) (missing []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, number := range events {
		if p.got[number] == 0 && len(missing) < shownFaults {
			missing = append(missing, number)
		}
	}
	return missing
}

// receives waits until every page has each event that a flow's publishers have a receipt for. The flow must have ended. Where no page has
// received anything for suite.Patience, what is missing is noted as a fault.
func (c *crowd) receives(f *flow) {
	acknowledged := f.acknowledged()
	received, since := c.received.Load(), time.Now()
	for _, p := range c.pages {
		missing := p.lacks(acknowledged[p.topic])
		for len(missing) > 0 && time.Since(since) < suite.Patience {
			time.Sleep(glance)
			if now := c.received.Load(); now > received {
				received, since = now, time.Now()
			}
			missing = p.lacks(acknowledged[p.topic])
		}
		for _, number := range missing {
			c.faults.add("event that did not come", "page %d: event %d of id %s", p.number, number, f.id(number))
		}
	}
}

// until waits for a time, or for the end of ctx.
func until(ctx context.Context, t time.Time) {
	d := time.Until(t)
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
