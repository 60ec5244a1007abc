package hub_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/process"
)

func connections(n int) func(*config.Config) {
	return func(c *config.Config) { c.Limits.ConnectionsPerHub = n }
}

func TestReadersAreBoundedByWhatTheProcessMayTake(t *testing.T) {
	s := startWith(t, hub.Options{Process: process.Limits{Descriptors: 70}}, connections(0)) // 4 of them for readers
	limit := func(want int) {
		t.Helper()
		if got := s.Status().ConnectionsLimit; got != want {
			t.Errorf("the limit is %d, want %d", got, want)
		}
		if got, line := metrics(t, s), fmt.Sprintf("runnel_hub_connections_limit %d\n", want); strings.Contains(got, line) != (want > 0) {
			t.Errorf("%s, want %s", got, line)
		}
	}
	limit(4)
	for range 4 {
		s.read(q("topic", "orders")).expect("runnel-open", "")
	}
	late := s.read(q("topic", "orders"))
	late.expect("runnel-close", "overloaded")
	late.ends()
	for configured, want := range map[int]int{3: 3, 4: 4, 5: 4} {
		c := base()
		c.Limits.ConnectionsPerHub = configured
		if err := s.Reload(c); err != nil {
			t.Fatal(err)
		}
		limit(want)
	}
}

func TestWithoutLimitsReadersAreNotBounded(t *testing.T) {
	s := start(t, connections(0))
	if got := metrics(t, s); s.Status().ConnectionsLimit != 0 || strings.Contains(got, "runnel_hub_connections_limit ") {
		t.Error(got)
	}
	if got := s.GoMemory(); got != 0 {
		t.Errorf("the runtime is to keep to %d bytes", got)
	}
}

func TestTheRuntimeGetsWhatReadersLeave(t *testing.T) {
	if portable {
		t.Skip("such readers leave nothing of so little")
	}
	limits := process.Limits{Descriptors: 1 << 20, Memory: 512 << 20}
	s := startWith(t, hub.Options{Process: limits}, connections(1000))
	few := s.GoMemory()
	c := base()
	c.Limits.ConnectionsPerHub = 30_000
	if err := s.Reload(c); err != nil {
		t.Fatal(err)
	}
	many := s.GoMemory()
	if want := limits.GoMemory(process.Use{Connections: 30_000, Retention: c.Retention.Bytes}, 30_000); many != want || few <= many {
		t.Errorf("%d, then %d, want %d", few, many, want)
	}
}

// TestManyReadersAtOnce holds that of readers who all come at the same time each gets an answer: as many as there is room for are let
// in, and the others are told to come back.
func TestManyReadersAtOnce(t *testing.T) {
	limits, err := process.Read()
	if err != nil {
		t.Fatal(err)
	}
	readers := 10000
	if limits.Descriptors > 0 {
		readers = min(readers, int(limits.Descriptors)/3) // both ends are in this process
	}
	room := readers / 2
	s := startWith(t, hub.Options{}.WithTimeouts(time.Hour, time.Hour), connections(room)) // no client is too slow
	in, out := storm(t, s.Addrs().Subscribe, readers)
	if in != room || out != readers-room {
		t.Errorf("of %d readers %d are let in and %d told to come back, want %d and %d", readers, in, out, room, readers-room)
	}
}

// storm opens readers at once and says how many are let in, and how many told to come back. It returns when each has its answer.
func storm(t *testing.T, addr string, readers int) (in, out int) {
	t.Helper()
	answers := make(chan string, readers)
	ctx, done := context.WithCancel(t.Context())
	defer done()
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			if err != nil {
				answers <- err.Error()
				return
			}
			context.AfterFunc(ctx, func() { _ = c.Close() })
			answers <- firstEvent(c)
			<-ctx.Done()
		})
	}
	counts := map[string]int{}
	for i := range readers {
		select {
		case answer := <-answers:
			counts[answer]++
		case <-time.After(patience): // since the answer before
			t.Fatalf("of %d readers %d have no answer, the others got %v", readers, readers-i, counts)
		}
	}
	done()
	all.Wait()
	in, out = counts["runnel-open"], counts["runnel-close"]
	if in+out != readers {
		t.Errorf("readers got %v", counts)
	}
	return in, out
}

// firstEvent asks for a stream and returns the type of its first event, or what went wrong.
func firstEvent(c net.Conn) string {
	if _, err := fmt.Fprint(c, "GET /v1/topics/orders/events HTTP/1.1\r\nHost: hub\r\n\r\n"); err != nil {
		return err.Error()
	}
	for lines := bufio.NewReader(c); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err.Error()
		}
		if kind, ok := strings.CutPrefix(line, "event: "); ok {
			return strings.TrimSpace(kind)
		}
	}
}
