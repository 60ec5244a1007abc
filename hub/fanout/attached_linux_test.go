package fanout

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

// attach lets a reader have a socket that takes only little, and returns the client's end of it.
func (h *hub) attach(begin Beginning, asked Reader, cursor string, selectors ...string) *net.TCPConn {
	h.t.Helper()
	sub, opening, err := h.log.Subscribe(sels(h.t, selectors...), eventlog.Start{Cursor: cursor})
	if err != nil {
		h.t.Fatal(err)
	}
	asked.Sub = sub
	fd, client := sockets(h.t)
	const little = 16 << 10
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, little); err != nil {
		h.t.Fatal(err)
	}
	if err := client.SetReadBuffer(little); err != nil {
		h.t.Fatal(err)
	}
	h.wg.Add(1)
	asked.Owner = attachedOwner{asked.Owner, h.wg.Done}
	begin.Opening, begin.Requested = opening, cursor
	h.pool.Attach(fd, asked, begin)
	return client
}

// numbers are the first words of the data of the events in a text, the hub's own left out.
func numbers(text string) (out []string) {
	for block := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		if _, data, ok := strings.Cut(block, "\ndata: "); ok && !strings.Contains(block, "event: runnel-") {
			word, _, _ := strings.Cut(data, " ")
			out = append(out, word)
		}
	}
	return out
}

func TestAFullSocketLosesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := newHub(t, 10_000, calm)
	client := h.attach(Beginning{Chunked: true}, Reader{}, "", "a")
	var want []string
	for i := range 500 {
		want = append(want, fmt.Sprint(i))
		h.publish("a", fmt.Sprint(i, " ", strings.Repeat("x", []int{200_000, 3000, 0, 10}[min(r.IntN(40), 3)])))
	}
	got := newRecorder()
	h.wg.Go(func() { got.readChunks(t, client) })
	got.until(t, "last event", contains("data: 499 "))
	if got := numbers(got.String()); !slices.Equal(got, want) {
		t.Errorf("%d events, want %d: %v", len(got), len(want), got)
	}
}

func TestASlowSocketIsToldWhatItLost(t *testing.T) {
	h := newHub(t, 5, calm)
	client := h.attach(Beginning{Chunked: true}, Reader{}, "", "a")
	for i := range 200 {
		h.publish("a", fmt.Sprint(i, " ", strings.Repeat("x", 10_000)))
	}
	got := newRecorder()
	h.wg.Go(func() { got.readChunks(t, client) })
	got.until(t, "last event", contains("data: 199 "))
	text := got.String()
	before, after, found := strings.Cut(text, "event: runnel-gap\n")
	if !found || !strings.Contains(after, `"reason":"overflow","topics":["a"]`) {
		t.Fatalf("no overflow among %v", numbers(text))
	}
	// Up to the notice nothing is missing, and after it nothing of what is retained is.
	for i, n := range numbers(before) {
		if n != fmt.Sprint(i) {
			t.Errorf("%s comes after %d", n, i-1)
		}
	}
	if got, want := numbers(after), []string{"195", "196", "197", "198", "199"}; !slices.Equal(got[len(got)-5:], want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestAStuckSocketIsCut(t *testing.T) {
	h := newHub(t, 100, Settings{Heartbeat: time.Hour, Delay: time.Second, MaxAge: time.Hour, Stall: 2 * tick})
	client := h.attach(Beginning{Chunked: true}, Reader{}, "", "a")
	defer func() { _ = client.Close() }()
	h.publish("a", strings.Repeat("x", 8<<20))
	h.wg.Wait()
	if !slices.Equal(h.seen.ended, []Reason{ReasonSlow}) {
		t.Errorf("ended %v", h.seen.ended)
	}
}

func TestASocketThatIsFullIsDrainedAllTheSame(t *testing.T) {
	h := newHub(t, 100, calm)
	client := h.attach(Beginning{Chunked: true}, Reader{}, "", "a")
	h.publish("a", "1 "+strings.Repeat("x", 1<<20))
	h.publish("a", "2")
	h.pool.Drain(0)
	for h.seen.reasons() == nil { // the end is decided before the client reads anything
		runtime.Gosched()
	}
	got := newRecorder()
	got.readChunks(t, client) // up to the last chunk
	text := got.String()
	if !slices.Equal(numbers(text), []string{"1"}) || !strings.HasSuffix(text, "\n\n") || !strings.Contains(text, `"reason":"drain"`) {
		t.Errorf("%v, the end %q", numbers(text), text[max(0, len(text)-200):])
	}
}

func TestWhatAClientSendsIsThrownAway(t *testing.T) {
	h := newHub(t, 100, calm)
	client := h.attach(Beginning{Chunked: true}, Reader{}, "", "a")
	if _, err := client.Write(make([]byte, MaxInput)); err != nil {
		t.Fatal(err)
	}
	got := newRecorder()
	h.wg.Go(func() { got.readChunks(t, client) })
	h.publish("a", "still there")
	got.until(t, "event", contains("still there"))

	talker := h.attach(Beginning{Chunked: true}, Reader{}, "", "b")
	defer func() { _ = talker.Close() }()
	for {
		if _, err := talker.Write(make([]byte, MaxInput)); err != nil {
			break // it is cut
		}
	}
}

func TestABodyWithoutChunksEndsWithItsConnection(t *testing.T) {
	h := newHub(t, 100, calm)
	client := h.attach(Beginning{Head: []byte("HTTP/1.0 200 OK\r\n\r\n")}, Reader{}, "", "a")
	h.publish("a", "1")
	lines := bufio.NewReader(client)
	for line := ""; line != "data: 1\n"; {
		var err error
		if line, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	h.pool.Drain(0)
	rest, err := io.ReadAll(lines)
	if err != nil || !strings.HasPrefix(string(rest), "\nevent: runnel-close\n") || !strings.HasSuffix(string(rest), "\n\n") {
		t.Errorf("%q, %v", rest, err)
	}
	_ = client.Close()
}

func TestClientsThatLeaveAreNoticed(t *testing.T) {
	h := newHub(t, 100, calm)
	half := h.attach(Beginning{Chunked: true}, Reader{}, "", "a")
	defer func() { _ = half.Close() }()
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := h.attach(Beginning{Chunked: true}, Reader{}, "", "a").Close(); err != nil {
		t.Fatal(err)
	}
	h.wg.Wait()
	if !slices.Equal(h.seen.ended, []Reason{ReasonClient, ReasonClient}) {
		t.Errorf("ended %v", h.seen.ended)
	}
}

func TestEachReaderGetsItsOwnOfWhatComesTogether(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	topic := func() string { return fmt.Sprintf("%c.%d", 'a'+rune(r.IntN(4)), r.IntN(50)) } // more than one sweep has
	h := newHub(t, 100_000, calm)
	var readers []*recorder
	var chosen [][]event.Selector
	for i := range 40 {
		texts := []string{topic(), topic(), []string{"a.*", "*.7", ">", topic()}[r.IntN(4)]}[:1+r.IntN(3)]
		texts = append(texts, "end") // of each
		readers, chosen = append(readers, newRecorder()), append(chosen, sels(t, texts...))
		h.attached = i%4 != 0
		h.read(readers[i], "", texts...)
	}
	var mu sync.Mutex
	stored := map[uint64]string{}
	var publishers sync.WaitGroup
	for range 4 {
		var topics []string
		for range 1000 {
			topics = append(topics, topic())
		}
		publishers.Go(func() {
			for i, name := range topics {
				receipt, err := h.log.Append(&event.Event{Topic: name, Data: []byte(name)})
				if err != nil {
					t.Error(err)
				}
				if i%50 == 49 {
					h.log.Announce()
				}
				mu.Lock()
				stored[receipt.ID.Seq] = name
				mu.Unlock()
			}
		})
	}
	publishers.Wait()
	h.publish("end", "end")
	for i, got := range readers {
		got.until(t, "end", contains("data: end\n\n"))
		var want []string
		for seq := uint64(1); seq <= uint64(len(stored)); seq++ {
			if slices.ContainsFunc(chosen[i], func(s event.Selector) bool { return s.Match(stored[seq]) }) {
				want = append(want, stored[seq])
			}
		}
		if got := numbers(got.String()); !slices.Equal(got, append(want, "end")) {
			t.Errorf("reader %d of %v: %d events, want %d", i, chosen[i], len(got), len(want)+1)
		}
	}
}

func TestNothingIsLeftOfAPool(t *testing.T) {
	descriptors := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	files, goroutines := descriptors(), runtime.NumGoroutine()
	t.Run("pool", func(t *testing.T) {
		h := newHub(t, 10, calm)
		for i := range 50 {
			client := h.attach(Beginning{Chunked: true}, Reader{}, "", "a")
			if i%2 == 0 { // the others are still there when the pool is closed
				_ = client.Close()
			}
			defer func() { _ = client.Close() }()
		}
		h.pool.Close()
	})
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if f, g := descriptors(), runtime.NumGoroutine(); f <= files && g <= goroutines {
			return
		} else if time.Now().After(end) {
			t.Fatalf("%d descriptors and %d goroutines, %d and %d before", f, g, files, goroutines)
		}
	}
}
