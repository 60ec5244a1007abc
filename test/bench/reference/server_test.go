//go:build linux

package reference_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/test/bench/reference"
)

func start(t *testing.T, batch bool) *reference.Server {
	t.Helper()
	s, err := reference.Listen(reference.Options{Addr: "127.0.0.1:0", Batch: batch})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func end(t *testing.T, s *reference.Server) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, s *reference.Server, topic string) *http.Response {
	t.Helper()
	answer, err := http.Get("http://" + s.Addr() + "/v1/topics/" + topic + "/events")
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("it is %s", got)
	}
	return answer
}

func post(t *testing.T, s *reference.Server, topic, data string) {
	t.Helper()
	answer, err := http.Post("http://"+s.Addr()+"/v1/topics/"+topic, "text/plain", strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%s, %v", answer.Status, err)
	}
	_ = answer.Body.Close()
}

func TestReadersGetTheEventsOfTheirTopic(t *testing.T) {
	for _, batch := range []bool{false, true} {
		s := start(t, batch)
		a, b, gone := read(t, s, "a"), read(t, s, "b"), read(t, s, "a")
		_ = gone.Body.Close()
		for i := range 3 {
			post(t, s, "a", fmt.Sprint("for a, ", i))
			post(t, s, "b", fmt.Sprint("for b, ", i))
			post(t, s, "nobody", "for nobody")
		}
		for topic, answer := range map[string]*http.Response{"a": a, "b": b} {
			want := fmt.Sprintf("data: for %[1]s, 0\n\ndata: for %[1]s, 1\n\ndata: for %[1]s, 2\n\n", topic)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(answer.Body, got); err != nil || string(got) != want {
				t.Errorf("batch %v: %q, %v", batch, got, err)
			}
		}
		end(t, s)
		if _, err := a.Body.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is still open")
		}
		_, _ = a.Body.Close(), b.Body.Close()
	}
}

func TestARequestMayComeInPieces(t *testing.T) {
	for _, batch := range []bool{false, true} {
		s := start(t, batch)
		stream, publisher := read(t, s, "a"), dial(t, s)
		const request, cut = "POST /v1/topics/a HTTP/1.1\r\nContent-Length: 1\r\n\r\n", 20
		write(t, publisher, request+"x"+request[:cut])
		write(t, publisher, request[cut:]+"y")
		const want = "data: x\n\ndata: y\n\n"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(stream.Body, got); err != nil || string(got) != want {
			t.Errorf("batch %v: %q, %v", batch, got, err)
		}
		answers := bufio.NewReader(publisher)
		for range 2 {
			if answer, err := http.ReadResponse(answers, nil); err != nil || answer.StatusCode != http.StatusOK {
				t.Errorf("batch %v: %v, %v", batch, answer, err)
			}
		}
		end(t, s)
		_ = stream.Body.Close()
	}
}

func dial(t *testing.T, s *reference.Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func TestAnAddressIsChecked(t *testing.T) {
	for _, addr := range []string{"localhost:1", "[::1]:0", "8.8.8.8:0"} {
		if s, err := reference.Listen(reference.Options{Addr: addr}); err == nil {
			t.Errorf("it listens on %s", addr)
			end(t, s)
		}
	}
}
