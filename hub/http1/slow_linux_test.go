package http1_test

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/http1"
	"github.com/runnel-dev/runnel/hub/poll"
)

func TestClientsThatRestAreCut(t *testing.T) {
	const half = "POST /hurry HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"
	for name, c := range map[string]struct {
		header, idle time.Duration
		sent         string
		want         string
	}{
		"silent":                    {short, 0, "", ""},
		"half a header":             {short, 0, "POST / HT", "400 Bad Request"},
		"half a header, unusual":    {short, 0, "PUT / HT", "400 Bad Request"},
		"after an answer":           {0, short, request("/a", ""), "front /a? y"},
		"half a header, afterwards": {short, 0, request("/a", "") + "POST / HT", "400 Bad Request"},
		"half a body":               {0, 0, half, "i/o timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for times := time.Duration(1); ; times *= 2 {
				s := startBy(t, http1.Options{HeaderTimeout: times * c.header, IdleTimeout: times * c.idle}, func(*http1.Front) {})
				by := s.dial()
				_, _ = by.Write([]byte(c.sent))
				b, err := io.ReadAll(by)
				got := strings.TrimSpace(string(b))
				stays := errors.Is(err, os.ErrDeadlineExceeded)
				if got == "" && c.want != "" && !stays && times*short < patience {
					continue // the machine is slow: the client was cut before it had sent anything
				}
				if stays || !strings.HasSuffix(got, c.want) || c.want == "" && got != "" {
					t.Errorf("%q, %v", got, err)
				}
				return
			}
		})
	}
}

func TestAnAnnouncedBodyTakesNoMemory(t *testing.T) {
	oneLoop(t)
	const n, announced, most = 200, 60_000, 16 << 10
	s := start(t, http1.Options{})
	other := s.dial().send(request("/a", "")).expect("front /a? y")
	before, whole := taken(), request("/a", strings.Repeat("x", announced))
	first, second := halves(whole)
	var clients []*client
	for range n {
		clients = append(clients, s.dial().send(first))
	}
	other.send(request("/a", "")).expect("front /a? y") // so those before it were read
	if each := (taken() - before) / n; each > most {
		t.Errorf("%d bytes were taken for a client that sent %d", each, len(first))
	}
	clients[0].send(second).expect("front /a? y " + strings.Repeat("x", announced))
}

func TestAnUnwantedPostIsNotWaitedFor(t *testing.T) {
	oneLoop(t)
	for getOnly, want := range map[bool]int{true: 1, false: 0} {
		f, addr, served := bare(t, http1.Options{GetOnly: getOnly})
		c, other := dial(t, addr), dial(t, addr)
		first, _ := halves(request("/a", "whole"))
		for _, send := range []struct {
			by   net.Conn
			text string
		}{{c, first}, {other, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"}} {
			if _, err := send.by.Write([]byte(send.text)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := other.Read(make([]byte, 1)); err != nil { // so the one before it was read
			t.Fatal(err)
		}
		if err := errors.Join(f.Close(), <-served); err != nil { // which closes all that were not passed on
			t.Error(err)
		}
		if n := openTo(t, addr); n != want {
			t.Errorf("GET only: %t: %d connections were passed on, want %d", getOnly, n, want)
		}
		if err := f.Passed().Close(); err != nil {
			t.Error(err)
		}
	}
}

// taken is how much memory was taken so far, whether or not it was given back.
func taken() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestEndingInTheMiddleIsForNetHTTP(t *testing.T) {
	c := start(t, http1.Options{}).dial().send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.expect("unexpected EOF")
}

func TestAClientThatDoesNotReadIsWaitedFor(t *testing.T) {
	oneLoop(t)
	s := start(t, http1.Options{})
	c, text := s.dial(), strings.Repeat(request("/large", "x"), 8)+request("/pass", "y")+request("/a", "z")
	c.send(text)
	s.dial().send(strings.Repeat(request("/large", "o"), 8)).large(8, "o")
	c.large(8, "x")
	c.expect("net/http /pass? y y", "net/http /a? y z")

	s = start(t, http1.Options{WriteTimeout: short})
	c = s.dial().send(text)
	for s.handler.served.Load() == 0 {
		runtime.Gosched()
	}
	if n, err := io.Copy(io.Discard, waiting{c, s}); errors.Is(err, os.ErrDeadlineExceeded) || n >= 8<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestAClientThatDoesNotReadIsNotAnsweredAheadOfIt(t *testing.T) {
	oneLoop(t)
	s := start(t, http1.Options{})
	const n, most = 64, 32 // which are more than the sockets have room for
	c := s.dial().send(strings.Repeat(request("/large", "x"), n) + request("/pass", "y"))
	s.dial().send(request("/a", "o")).expect("front /a? y o")
	if served := s.handler.served.Load() - 1; served < 1 || served > most {
		t.Errorf("%d of %d requests were answered before any answer was read", served, n)
	}
	c.large(n, "x")
	c.expect("net/http /pass? y y")
}

// waiting reads nothing until the server has closed its connections.
type waiting struct {
	*client
	s *server
}

func (w waiting) Read(b []byte) (int, error) {
	for end := time.Now().Add(patience); openTo(w.t, w.s.addr) > 0 && time.Now().Before(end); {
		runtime.Gosched()
	}
	return w.client.Read(b)
}

func TestATakenConnectionBelongsToItsHandler(t *testing.T) {
	s := start(t, http1.Options{})
	c := s.dial().send(request("/a", "first") + "GET /take HTTP/1.1\r\nHost: x\r\n\r\nGET /more")
	c.expect("front /a? y first")
	fd := <-s.handler.taken
	if watched(t, fd) {
		t.Error("the front still watches it")
	}
	s.end(nil) // which leaves it open
	for text := range strings.SplitSeq("one two", " ") {
		if n, err := poll.Write(fd, []byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := errors.Join(poll.EndWriting(fd), poll.CloseSocket(fd)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len("onetwo"))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "onetwo" {
		t.Errorf("%q, %v", b, err)
	}
}
