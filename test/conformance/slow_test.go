package conformance_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	server "github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/test/browser"
	"github.com/runnel-dev/runnel/test/sse"
	"github.com/runnel-dev/runnel/test/suite"
)

var _ = Describe("A reader of one byte a second", func() {
	It("changes nothing for fast ones, costs the hub no memory, and is told what it missed", func() {
		needsOwnHub()
		const (
			fast      = 20
			rounds    = 300
			perRound  = 20
			eventSize = 10_000 // 60 MB in all; a connection's buffers have some 4 MB at most
			retained  = 4 << 20
			// grown is what the heap may grow by: what is retained, a batch of 64 KiB for each reader, and what the test has of its own.
			grown = retained + (fast+1)*(64<<10) + 4<<20
			// stall is how long the hub waits for the slow one, and much longer than one of the fast ones ever waits to be read.
			stall = 15 * time.Second
		)
		own := startHubWith(server.Options{StallTimeout: stall}, func(c *config.Config) { c.Retention.Bytes = retained })
		topic := own.topic()

		// The first event is all that the slow one reads in time.
		slow := connectSlowly(own, topic)
		Expect(slow.until("}\n\n")).To(ContainSubstring(browser.RunnelOpen)) // from now on it misses nothing
		first := own.send(topic, "", "first")
		Expect(slow.until("data: first\n\n")).To(ContainSubstring("id: " + first.ID))
		go slow.read()
		var readers []*sse.Stream
		for range fast {
			s := connect(own.url([]string{topic}))
			Expect(next(s).Type).To(Equal(browser.RunnelOpen))
			readers = append(readers, s)
		}

		before := heap()
		for round := range rounds {
			var sent []browser.Event
			for i := range perRound {
				text := fmt.Sprintf("%d.%d ", round, i)
				sent = append(sent, browser.Event{Data: text + strings.Repeat("x", eventSize)})
			}
			own.sendAll(topic, sent)
			// The next round waits for all fast ones: the slow one holds nobody up, or this ends here.
			for _, s := range readers {
				for _, want := range sent {
					got := next(s)
					Expect(difference([]browser.Event{{ID: got.ID, Data: got.Data}}, []browser.Event{want})).To(BeEmpty())
				}
			}
		}
		after := heap()
		GinkgoWriter.Printf("heap: %d bytes before, %d after\n", before, after)
		Expect(after).To(BeNumerically("<", before+grown))

		// The hub cuts it off. It comes back as a browser would, with the last id that it has, and is told.
		Eventually(func() int { return own.own.Status().Connections }).Should(Equal(fast))
		Expect(metrics(own)).To(ContainSubstring(`runnel_hub_connections_ended_total{reason="slow_consumer"} 1`))
		close(slow.hurry)
		Eventually(slow.ended).Should(BeClosed())
		back := connect(own.url([]string{topic}), sse.LastEventID(first.ID))
		Expect(back.Answer.Get("Runnel-Resume")).To(Equal("gap"))
		Expect(next(back).Type).To(Equal(browser.RunnelOpen))
		gap := next(back)
		Expect(gap.Type).To(Equal(browser.RunnelGap))
		Expect(gap.Data).To(And(ContainSubstring(`"reason":"evicted"`), ContainSubstring(topic), ContainSubstring(first.ID)))
	})
})

// metrics is what an own hub tells Prometheus.
func metrics(t *target) string {
	GinkgoHelper()
	answer, err := http.Get("http://" + t.own.Addrs().Admin + "/metrics")
	Expect(err).NotTo(HaveOccurred())
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// heap is what is reachable in this process, hub and test, in bytes.
func heap() int {
	runtime.GC()
	runtime.GC() // pools hold on for one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// slowReader is a connection whose reader can hardly keep up.
type slowReader struct {
	conn net.Conn
	// hurry is closed to let it read what is left at once, and ended when it has.
	hurry, ended chan struct{}
}

// connectSlowly reads a topic with as small a buffer as there is, so that the hub notices soon.
func connectSlowly(t *target, topic string) *slowReader {
	GinkgoHelper()
	const smallest = 4 << 10
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		controlErr := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, smallest)
		})
		if controlErr != nil {
			return controlErr
		}
		return err
	}}
	conn, err := dialer.DialContext(context.Background(), "tcp", t.addr())
	Expect(err).NotTo(HaveOccurred())
	s := &slowReader{conn, make(chan struct{}), make(chan struct{})}
	DeferCleanup(func() { _ = conn.Close() }) // which ends read, if the hub has not
	r, err := http.NewRequest(http.MethodGet, t.url([]string{topic}), nil)
	Expect(err).NotTo(HaveOccurred())
	Expect(r.Write(conn)).To(Succeed())
	return s
}

// until reads at once until a text has come, and returns all.
func (s *slowReader) until(text string) string {
	GinkgoHelper()
	Expect(s.conn.SetReadDeadline(time.Now().Add(suite.Patience))).To(Succeed())
	defer func() { Expect(s.conn.SetReadDeadline(time.Time{})).To(Succeed()) }()
	var got strings.Builder
	for one := bufio.NewReaderSize(s.conn, 1); !strings.HasSuffix(got.String(), text); {
		b, err := one.ReadByte()
		Expect(err).NotTo(HaveOccurred(), got.String())
		got.WriteByte(b)
	}
	return got.String()
}

// read reads one byte a second, until it is to hurry, to the end.
func (s *slowReader) read() {
	defer close(s.ended)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for one := make([]byte, 1); ; {
		if _, err := s.conn.Read(one); err != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-s.hurry:
		}
	}
}
