package conformance_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/runnel-dev/runnel/test/browser"
	"github.com/runnel-dev/runnel/test/suite"
)

// tick is the type of typed events. Clients that must be told which types to listen for are told this one and the hub's own.
const tick = "tick"

// controlTypes are the hub's own events that the suite looks at.
var controlTypes = []string{browser.RunnelOpen, browser.RunnelGap, browser.RunnelClose}

// client is somebody's reader of event streams, driven as its documentation says. It comes back by itself after a cut.
type client struct {
	name string
	// missing says why it cannot run here, if so.
	missing func() string
	// open prepares reading of a URL. What it returns reads until ctx is done or the client gives up, and calls got with each event,
	// the hub's own too, from one goroutine at a time.
	open func(url string) func(ctx context.Context, got func(browser.Event)) error
	// bare is open without what the note asks for, where that is more than an option.
	bare func(url string) func(ctx context.Context, got func(browser.Event)) error
	// broken matches what it delivers when a cut breaks an event, and brokenNote says so, if it does not do as the standard says. half is
	// what came before the cut.
	broken     func(before, half, whole, after browser.Event) types.GomegaMatcher
	brokenNote string
	// whole clients are cut between events alone in the workload.
	whole bool
	// data is what it makes of an event's data, and dataNote says so, if it does not do as the standard says.
	data     func(string) string
	dataNote string
	// finInHeaders says why the workload does not end a connection by FIN within the answer's headers, if so.
	finInHeaders string
	// wholeHeaders says why the workload does not cut within the answer's headers, if so.
	wholeHeaders string
	// http2 is true if it speaks HTTP/2 without TLS and nothing else.
	http2 bool
	// note is what a user must know to drive it so.
	note string
}

// clients are all of them, in the table's order.
var clients = []client{
	chromiumClient, firefoxClient, webkitClient, fetchClient, nodeClient("eventsource"), nodeClient("eventsource-4"),
	launchDarklyClient, r3labsClient, goSSEClient,
	curlClient("--http1.0"), curlClient("--http1.1"), curlClient("--http2-prior-knowledge"),
}

// reading is what a client has read so far.
type reading struct {
	done chan struct{}

	mu       sync.Mutex // guards what follows
	events   []browser.Event
	controls []browser.Event
	last     time.Time // when the newest of them came
	err      error
}

// read lets the client read until the node ends.
func (c client) read(url string) *reading {
	GinkgoHelper()
	r := &reading{done: make(chan struct{})}
	run := c.open(url)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer GinkgoRecover()
		defer close(r.done)
		err := run(ctx, r.got)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.err = err
	}()
	DeferCleanup(func() {
		cancel()
		Eventually(r.done).Should(BeClosed(), "%s does not stop", c.name)
	})
	return r
}

func (r *reading) got(e browser.Event) {
	if e.Type == "message" {
		e.Type = ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = time.Now()
	if strings.HasPrefix(e.Type, "runnel-") {
		r.controls = append(r.controls, e)
		return
	}
	r.events = append(r.events, e)
}

// received are the published events. It is an error that the client has given up.
func (r *reading) received() ([]browser.Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.done:
		return r.events, StopTrying(fmt.Sprintf("the client gave up after %d events: %v", len(r.events), r.err))
	default:
		return r.events, nil
	}
}

// rests reports whether a number of events have come, or the client has given up, or no event has come for suite.Patience.
func (r *reading) rests(events int) bool {
	got, err := r.received()
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(got) >= events || err != nil || time.Since(r.last) > suite.Patience
}

// opened says whether the client was ever told that its stream begins.
func (r *reading) opened() (bool, error) {
	_, err := r.received()
	return len(r.control(browser.RunnelOpen)) > 0, err
}

// control are the hub's own events of a type.
func (r *reading) control(kind string) (out []browser.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.controls {
		if e.Type == kind {
			out = append(out, e)
		}
	}
	return out
}

// difference says where two lists of events differ, in a few words; nothing if they do not.
func difference(got, want []browser.Event) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("event %d of %d: got %s, want %s", i, len(want), short(got[i]), short(want[i]))
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("got %d events, want %d", len(got), len(want))
	}
	return ""
}

func short(e browser.Event) string {
	return fmt.Sprintf("%s %q %.60q (%d bytes)", e.ID, e.Type, e.Data, len(e.Data))
}
