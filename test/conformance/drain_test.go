package conformance_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/test/browser"
	"github.com/runnel-dev/runnel/test/sse"
)

var _ = Describe("A drain under 500 readers, with another hub to go to, gives no answer but 200", func() {
	for _, via := range routes {
		if !via.nginx {
			continue
		}
		It(via.name, func() {
			needs(missingNginx())
			needsOwnHub()
			const (
				readers = 500
				// window is that of the drain.
				window = 15 * time.Second
				// refused is how many readers meet the draining hub before the Service leaves it out, as it does some time after the hub
				// turned not-ready.
				refused = 50
			)
			drained := func(c *config.Config) { c.Drain.Window = config.Duration(window) }
			old, young := startHub(drained), startHub(drained)
			service := startService(old)
			n := startNginx(service.addr())
			topic := old.topic()

			ctx, cancel := context.WithCancel(context.Background())
			count := &counts{statuses: map[int]int{}}
			var work sync.WaitGroup
			DeferCleanup(func() { cancel(); work.Wait() })
			for range readers {
				work.Go(func() { count.follow(ctx, at("http://"+via.addr(&n, false), []string{topic})) })
			}
			Eventually(func() int { return old.own.Status().Connections }).Should(Equal(readers))

			// Both are ready and served by the Service, then one of them is stopped: as maxSurge has it. A Deployment that recreates its
			// pods has a moment without any, in which nginx itself answers 502.
			service.endpoints(old, young)
			stopped := make(chan struct{})
			go func() { defer GinkgoRecover(); defer close(stopped); old.stop() }()
			Eventually(func() int { return ready(old) }).Should(Equal(http.StatusServiceUnavailable))
			Eventually(func() int { return count.closed("overloaded") }).Should(BeNumerically(">=", refused))
			service.endpoints(young)
			Eventually(stopped).Should(BeClosed())
			Eventually(func() int { return young.own.Status().Connections }).Should(Equal(readers))

			e := young.send(topic, "", "after the rollout")
			Eventually(func() int { return count.received(e.ID) }).Should(Equal(readers))
			Expect(count.closed("drain")).To(Equal(readers))
			Expect(count.all()).To(And(HaveLen(1), HaveKey(http.StatusOK)))
			Expect(count.failed()).To(BeEmpty(), "every stream ended in order")
			GinkgoWriter.Println(count.all())
		})
	}
})

// ready is the status of a hub's readiness.
func ready(t *target) int {
	GinkgoHelper()
	status, _ := request(http.MethodGet, "http://"+t.own.Addrs().Admin+"/readyz", nil)
	return status
}

// service passes each new connection to one of its endpoints, in turn, as a Service does.
type service struct {
	listener net.Listener
	hubs     atomic.Pointer[[]string]
	turn     atomic.Uint64
}

// startService starts a Service before hubs. It ends with the node that it is called in.
func startService(hubs ...*target) *service {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	s := &service{listener: listener}
	s.endpoints(hubs...)
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			work.Go(func() { s.serve(c) })
		}
	})
	DeferCleanup(func() {
		Expect(listener.Close()).To(Succeed())
		work.Wait()
	})
	return s
}

func (s *service) addr() string { return s.listener.Addr().String() }

// endpoints replaces the endpoints for new connections.
func (s *service) endpoints(hubs ...*target) {
	var addrs []string
	for _, h := range hubs {
		addrs = append(addrs, h.own.Addrs().Subscribe)
	}
	s.hubs.Store(&addrs)
}

// serve passes bytes on, both ways, until each has ended its half.
func (s *service) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	addrs := *s.hubs.Load()
	hub, err := net.Dial("tcp", addrs[s.turn.Add(1)%uint64(len(addrs))])
	if err != nil {
		return // nginx answers 502, which is counted
	}
	defer func() { _ = hub.Close() }()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, hub}, {hub, client}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].(*net.TCPConn).CloseWrite() // unless it is gone
		})
	}
	both.Wait()
}

// counts is what many readers met.
type counts struct {
	mu       sync.Mutex // guards what follows
	statuses map[int]int
	reasons  []string
	ids      []string
	errs     []string
}

// follow reads as a browser does: it comes back after what it was told, with its last id, and gives up at any status but 200.
func (c *counts) follow(ctx context.Context, url string) {
	const first = 100 * time.Millisecond
	last, delay := "", first
	for {
		status, err := c.connect(ctx, url, &last, &delay)
		if ctx.Err() != nil {
			return
		}
		c.add(func() {
			c.statuses[status]++
			if err != nil {
				c.errs = append(c.errs, err.Error())
			}
		})
		if status != http.StatusOK {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
	}
}

// connect reads one connection. An error is an end that is not in order.
func (c *counts) connect(ctx context.Context, url string, last *string, delay *time.Duration) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Accept", "text/event-stream")
	if *last != "" {
		r.Header.Set("Last-Event-ID", *last)
	}
	answer, err := httpClient().Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	err = sse.Parse(bufio.NewReader(answer.Body), *last, func(e sse.Event) error {
		*last = e.ID
		if e.Retry != nil {
			*delay = *e.Retry
		}
		c.add(func() {
			switch {
			case e.Type == browser.RunnelClose:
				c.reasons = append(c.reasons, e.Data)
			case !strings.HasPrefix(e.Type, "runnel-"):
				c.ids = append(c.ids, e.ID)
			}
		})
		return nil
	})
	return answer.StatusCode, err
}

func (c *counts) add(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// closed counts the closes of a reason.
func (c *counts) closed(reason string) (n int) {
	c.add(func() {
		for _, data := range c.reasons {
			if strings.Contains(data, fmt.Sprintf(`"reason":%q`, reason)) {
				n++
			}
		}
	})
	return n
}

// received counts the readers of an event.
func (c *counts) received(id string) (n int) {
	c.add(func() {
		for _, got := range c.ids {
			if got == id {
				n++
			}
		}
	})
	return n
}

// all are the answers by status.
func (c *counts) all() (out map[int]int) {
	c.add(func() {
		out = map[int]int{}
		for status, n := range c.statuses {
			out[status] = n
		}
	})
	return out
}

func (c *counts) failed() (out []string) {
	c.add(func() { out = append(out, c.errs...) })
	return out
}
