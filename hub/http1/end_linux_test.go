package http1_test

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/http1"
)

// halves cuts a request after the first byte of its body.
func halves(request string) (first, second string) {
	at := strings.Index(request, "\r\n\r\n") + len("\r\n\r\n") + 1
	return request[:at], request[at:]
}

func TestShutdownEndsWhatRestsAndAnswersTheRest(t *testing.T) {
	check := leavesNothing(t)
	s := start(t, http1.Options{})
	resting, silent, header, body, slow, passed := s.dial(), s.dial(), s.dial(), s.dial(), s.dial(), s.dial()
	resting.send(request("/a", "")).expect("front /a? y")
	header.send("POST /a HT")
	first, second := halves(request("/a", "whole"))
	body.send(first)
	slow.send(strings.Repeat(request("/large", "x"), 8))
	firstPassed, secondPassed := halves(request("/pass", "half"))
	passed.send(firstPassed)
	for openTo(t, s.addr) < 6 || s.handler.served.Load() < 2 {
		runtime.Gosched()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.end(nil)
	}()
	resting.ends()
	silent.ends()
	header.ends()
	if c, err := net.Dial("tcp", s.addr); err == nil {
		_ = c.Close()
		t.Error("it still listens")
	}
	body.send(second).expect("front /a? y whole").ends()
	passed.send(secondPassed).expect("net/http /pass? y half")
	for answers, last := 0, false; answers < 8 && !last; answers++ { // the first that is made after the end has begun is the last
		resp, text := slow.response()
		if last = resp.Close; !strings.HasPrefix(text, "front /large? y x") {
			t.Errorf("%.40q", text)
		}
	}
	slow.ends()
	passed.ends()
	<-done
	for _, c := range []*client{resting, silent, header, body, slow, passed} {
		_ = c.Close()
	}
	check()
}

func TestWhatHasComeIsAnsweredInTheEnd(t *testing.T) {
	oneLoop(t)
	s := start(t, http1.Options{})
	c := s.dial().send(request("/a", "one")).expect("front /a? y one")
	blocking := s.dial().send(request("/block", ""))
	<-s.handler.blocked
	c.send(request("/a", "two"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.end(nil)
	}()
	for refused := false; !refused; { // which is when the end has begun
		other, err := net.Dial("tcp", s.addr)
		if refused = err != nil; !refused {
			_ = other.Close()
		}
	}
	for range 100 { // and the loop is told
		runtime.Gosched()
	}
	<-s.handler.blocked
	blocking.expect("front /block? y").ends()
	c.expect("front /a? y two").ends()
	<-done
}

func TestNothingIsLeft(t *testing.T) {
	for name, end := range map[string]func(s *server){
		"shut down": func(s *server) {
			s.dial().send("GET /a HT")
			s.end(nil)
		},
		"shut down, and hurried": func(s *server) {
			first, _ := halves(request("/a", "whole"))
			s.dial().send(first)
			for openTo(t, s.addr) == 0 {
				runtime.Gosched()
			}
			s.end(context.Canceled)
		},
		"closed": func(s *server) {
			first, _ := halves(request("/a", "whole"))
			s.dial().send(first)
			s.dial().send(strings.Repeat(request("/large", "x"), 8))
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			s.end(nil)
		},
		"passed on": func(s *server) {
			s.dial().send(request("/pass", "")).expect("net/http /pass? y")
			s.end(nil)
		},
	} {
		check := leavesNothing(t)
		t.Run(name, func(t *testing.T) { end(start(t, http1.Options{})) })
		check()
	}
	check := leavesNothing(t)
	unused, err := http1.New(listen(t), &handler{}, http1.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unused.Close(), unused.Passed().Close()); err != nil {
		t.Error(err)
	}
	check()
}

// bare is a front that nobody is behind.
func bare(t *testing.T, o http1.Options) (f *http1.Front, addr string, served chan error) {
	t.Helper()
	ln := listen(t)
	o.HeaderTimeout, o.IdleTimeout = time.Hour, time.Hour
	f, err := http1.New(ln, &handler{}, o)
	if err != nil {
		t.Fatal(err)
	}
	f.WithWholeWithin(time.Hour)
	served = make(chan error, 1)
	go func() { served <- f.Serve() }()
	return f, ln.Addr().String(), served
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestShutdownWaitsUntilWhatIsPassedIsAnswered(t *testing.T) {
	f, addr, served := bare(t, http1.Options{})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte(request("/pass", ""))); err != nil {
		t.Fatal(err)
	}
	for openTo(t, addr) == 0 {
		runtime.Gosched()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.Shutdown(ctx) }()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	goesOn := func() {
		for range 100 {
			runtime.Gosched()
		}
		if len(done) > 0 {
			t.Error("it has ended")
		}
	}
	goesOn()
	passed, err := f.Passed().Accept()
	if err != nil {
		t.Fatal(err)
	}
	goesOn()
	if _, err := passed.Write([]byte("an answer")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-done, passed.Close(), f.Passed().Close()); err != nil {
		t.Error(err)
	}
}

func TestWhoIsPassedToNobodyIsClosed(t *testing.T) {
	oneLoop(t)
	f, addr, served := bare(t, http1.Options{})
	dial := func(text string) net.Conn {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, when := range []string{"before", "after"} {
		c := dial(request("/pass", ""))
		other := dial(request("/a", ""))
		if _, err := other.Read(make([]byte, 1)); err != nil { // so the other one is passed on by now
			t.Fatal(err)
		}
		_ = other.Close()
		if err := f.Passed().Close(); err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) || err == nil {
			t.Errorf("%s: %v", when, err)
		}
		_ = c.Close()
	}
	if err := errors.Join(f.Close(), <-served); err != nil {
		t.Error(err)
	}
}
