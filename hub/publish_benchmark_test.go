package hub

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
)

// payload is the data of an event, 200 bytes as scenarios of fan-out have it.
var payload = strings.Repeat("0123456789", 20)

// BenchmarkPublish holds what one event costs by each way of publishing, on one connection: the hub and a client that does next to
// nothing. Figures are for an event. With -cpu 1 it is what one core publishes.
func BenchmarkPublish(b *testing.B) {
	b.Run("raw", func(b *testing.B) {
		benchmarkPublish(b, 1, request("/v1/topics/t.1", "text/plain", payload))
	})
	b.Run("document", func(b *testing.B) {
		benchmarkPublish(b, 1, request("/v1/publish", typeJSON, eventLine(1, `"`+payload+`"`)))
	})
	for _, lines := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("lines-%d", lines), func(b *testing.B) {
			benchmarkPublish(b, lines, request("/v1/publish", typeLines, joined(lines, `"`+payload+`"`)))
		})
	}
	b.Run("lines-100-objects", func(b *testing.B) {
		data := `{"id": 17, "name": "` + payload[:80] + `", "tags": ["a", "b"], "price": 12.50, "stock": {"eu": 1, "us": null}}`
		benchmarkPublish(b, 100, request("/v1/publish", typeLines, joined(100, data)))
	})
}

func joined(lines int, data string) string {
	var all strings.Builder
	for i := range lines {
		all.WriteString(eventLine(i%10, data))
		all.WriteByte('\n')
	}
	return all.String()
}

func eventLine(topic int, data string) string {
	return fmt.Sprintf(`{"topic":"t.%d","data":%s}`, topic, data)
}

func request(path, contentType, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: hub\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, contentType, len(body), body)
}

// TestADocumentTakesAsLittleAsARawEvent holds how often the hub asks for memory to publish one event.
func TestADocumentTakesAsLittleAsARawEvent(t *testing.T) {
	const (
		runs   = 1000
		margin = 2 // pools forget now and then, and do so by design under the race detector
	)
	allocations := func(request []byte) float64 {
		h, publish := publisher(t, request)
		average := testing.AllocsPerRun(runs, publish)
		if seq := h.log.Head().Seq; seq < runs {
			t.Errorf("%d events are stored", seq)
		}
		return average
	}
	raw := allocations(request("/v1/topics/t.1", "text/plain", payload))
	document := allocations(request("/v1/publish", typeJSON, eventLine(1, `"`+payload+`"`)))
	if document > raw+margin {
		t.Errorf("a document takes memory %v times, a raw event %v times", document, raw)
	}
}

// benchmarkPublish sends a request again and again until b.N events are stored.
func benchmarkPublish(b *testing.B, events int, request []byte) {
	h, publish := publisher(b, request)
	b.ReportAllocs()
	b.SetBytes(int64(len(request) / events))
	b.ResetTimer()
	for sent := 0; sent < b.N; sent += events {
		publish()
	}
	b.StopTimer()
	if seq := h.log.Head().Seq; seq < uint64(b.N) {
		b.Errorf("%d events are stored, want %d", seq, b.N)
	}
}

// publisher returns a hub that runs until the end of the test, and what sends a request to it, on one connection, and reads the answer.
func publisher(t testing.TB, request []byte) (h *Hub, publish func()) {
	t.Helper()
	h = benchmarkHub(t)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	client, err := net.Dial("tcp", h.Addrs().Publish)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	answers := bufio.NewReaderSize(client, 64<<10)
	return h, func() {
		if _, err := client.Write(request); err != nil {
			t.Fatal(err)
		}
		if err := skipAnswer(answers); err != nil {
			t.Fatal(err)
		}
	}
}

// skipAnswer reads one answer without taking memory.
func skipAnswer(from *bufio.Reader) error {
	status, err := from.ReadSlice('\n')
	if err == nil && !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		err = fmt.Errorf("%s", status)
	}
	length, chunked := 0, false
	for err == nil {
		var field []byte
		field, err = from.ReadSlice('\n')
		if len(field) <= len("\r\n") {
			break
		}
		name, value, _ := bytes.Cut(field, []byte(": "))
		switch string(bytes.ToLower(name)) {
		case "content-length":
			length = number(value, 10)
		case "transfer-encoding":
			chunked = true
		}
	}
	if err != nil || !chunked {
		return discard(from, length, err)
	}
	for {
		size, err := from.ReadSlice('\n')
		length := number(size, 16)
		if err := discard(from, length+len("\r\n"), err); err != nil || length == 0 {
			return err
		}
	}
}

func discard(from *bufio.Reader, n int, err error) error {
	if err == nil {
		_, err = from.Discard(n)
	}
	return err
}

// number reads the digits that a text begins with.
func number(text []byte, base int) (n int) {
	for _, c := range bytes.ToLower(text) {
		digit := bytes.IndexByte([]byte("0123456789abcdef"), c)
		if digit < 0 || digit >= base {
			break
		}
		n = n*base + digit
	}
	return n
}

func benchmarkHub(t testing.TB) *Hub {
	t.Helper()
	h, err := New(Options{
		Config: &config.Config{
			Version: config.Version, Stream: config.Stream{Namespace: "n", Name: "s"},
			Topics:    []config.Topic{{Name: "t.*", Events: config.DefaultRetentionEvents, Age: config.Duration(config.DefaultRetentionAge)}},
			Retention: config.Retention{Bytes: config.DefaultRetentionBytes}, Heartbeat: config.Heartbeat{Interval: config.Duration(time.Minute), Minimum: config.Duration(time.Second)},
			Reconnect: config.Reconnect{Delay: config.Duration(time.Second), MaxConnectionAge: config.Duration(time.Hour)},
			Limits:    config.Limits{MaxEventSize: config.DefaultMaxEventSize},
			Auth:      config.Auth{Subscribers: config.Subscribers{Anonymous: &config.Anonymous{}}, Publishers: config.Publishers{Anonymous: &config.Anonymous{}}},
		},
		SubscribeAddr: "127.0.0.1:0", PublishAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0",
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}
