package poll

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair are the two ends of a connection, the first of them detached.
func pair(t testing.TB) (fd int, other net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if other, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if fd, err = Detach(c.(*net.TCPConn)); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	return fd, other
}

func newPoller(t testing.TB) *Poller {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func TestTellsWhatASocketIsReadyFor(t *testing.T) {
	p := newPoller(t)
	fd, other := pair(t)
	defer func() { _ = CloseSocket(fd) }()
	const token = Token(7<<32 | 3<<30)
	if err := p.Add(fd, Readable|Ended, token); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if _, err := Read(fd, b); !errors.Is(err, ErrAgain) {
		t.Errorf("nothing to read: %v", err)
	}
	for range 3 { // each of them parks first, or finds it at once
		go func() { _, _ = other.Write([]byte("hello")) }()
		ready, err := p.Wait(nil)
		if err != nil || len(ready) != 1 || ready[0] != (Ready{token, Readable}) {
			t.Fatalf("%+v, %v", ready, err)
		}
		if n, err := Read(fd, b); n == 0 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	if err := p.Change(fd, Readable|Writable|Ended, token); err != nil {
		t.Fatal(err)
	}
	if ready, err := p.Wait(nil); err != nil || len(ready) != 1 || ready[0].Events&Writable == 0 {
		t.Fatalf("%+v, %v", ready, err)
	}
	if n, err := Write(fd, []byte("there")); n != 5 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if err := p.Change(fd, Ended, token); err != nil {
		t.Fatal(err)
	}
	go func() { _ = other.Close() }()
	if ready, err := p.Wait(nil); err != nil || len(ready) != 1 || ready[0].Events&Ended == 0 {
		t.Fatalf("%+v, %v", ready, err)
	}
	if err := p.Remove(fd); err != nil {
		t.Fatal(err)
	}
	if ready, err := p.Poll(nil); err != nil || len(ready) != 0 {
		t.Fatalf("%+v, %v", ready, err)
	}
}

func TestWriteTakesWhatTheSocketTakes(t *testing.T) {
	fd, _ := pair(t)
	defer func() { _ = CloseSocket(fd) }()
	b := make([]byte, 1<<20)
	for {
		n, err := Write(fd, b)
		if errors.Is(err, ErrAgain) {
			break
		}
		if n == 0 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
}

func TestCloseEndsAWait(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := p.Wait(nil)
		done <- err
	}()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func TestADeadlineEndsAWaitAndThoseAfterIt(t *testing.T) {
	p := newPoller(t)
	fd, other := pair(t)
	defer func() { _ = CloseSocket(fd) }()
	if err := p.Add(fd, Readable, 1); err != nil {
		t.Fatal(err)
	}
	over := time.Unix(1, 0)
	done := make(chan error)
	go func() {
		_, err := p.Wait(nil)
		done <- err
	}()
	if err := p.SetDeadline(over); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	if _, err := other.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if ready, err := p.Wait(nil); !errors.Is(err, os.ErrDeadlineExceeded) || len(ready) != 0 { // or who is always busy would never notice
		t.Errorf("%+v, %v", ready, err)
	}
	if err := p.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if ready, err := p.Wait(nil); err != nil || len(ready) != 1 {
		t.Errorf("%+v, %v", ready, err)
	}
}

func TestAcceptTakesWhoIsThere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := Detach(ln.(*net.TCPListener))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = CloseSocket(listener), ln.Close() }()
	if _, err := Accept(listener); !errors.Is(err, ErrAgain) {
		t.Errorf("nobody is there: %v", err)
	}
	other, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	fd, err := Accept(listener)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = CloseSocket(fd) }()
	if _, err := Read(fd, make([]byte, 1)); !errors.Is(err, ErrAgain) {
		t.Errorf("it would block: %v", err)
	}
	if _, err := Accept(-1); !errors.Is(err, unix.EBADF) {
		t.Error(err)
	}
}

func TestADetachedSocketOutlivesItsConnection(t *testing.T) {
	fd, other := pair(t)
	if n, err := Write(fd, []byte("still")); n != 5 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	b := make([]byte, 10)
	if n, err := other.Read(b); n != 5 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if err := EndWriting(fd); err != nil {
		t.Fatal(err)
	}
	if n, err := other.Read(b); n != 0 || err == nil {
		t.Fatalf("%d, %v", n, err)
	}
	if err := CloseSocket(fd); err != nil {
		t.Fatal(err)
	}
	if err := CloseSocket(fd); !errors.Is(err, unix.EBADF) {
		t.Error(err)
	}
}
