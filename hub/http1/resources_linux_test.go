package http1_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/runnel-dev/runnel/hub/http1"
	"github.com/runnel-dev/runnel/hub/poll"
)

// openTo counts the server's ends of connections to a listener's address, as the system sees them.
func openTo(t testing.TB, addr string) (n int) {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	var number int
	if _, err := fmt.Sscan(port, &number); err != nil {
		t.Fatal(err)
	}
	for _, fd := range descriptors(t) {
		local, err := unix.Getsockname(fd)
		if a, ok := local.(*unix.SockaddrInet4); err != nil || !ok || a.Port != number {
			continue
		}
		if _, err := unix.Getpeername(fd); err == nil {
			n++
		}
	}
	return n
}

func descriptors(t testing.TB) (all []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err != nil {
			t.Fatal(err)
		}
		all = append(all, fd)
	}
	return all
}

// watched says whether any epoll instance watches a socket.
func watched(t testing.TB, socket int) bool {
	t.Helper()
	for _, fd := range descriptors(t) {
		info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
		if err != nil {
			continue // it is closed by now
		}
		for line := range strings.Lines(string(info)) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "tfd:" && fields[1] == fmt.Sprint(socket) {
				return true
			}
		}
	}
	return false
}

// leavesNothing fails unless there are as many goroutines and descriptors in the end as now.
func leavesNothing(t *testing.T) (check func()) {
	t.Helper()
	for range 2 { // what is collected closes itself, and would be taken for something that was closed
		runtime.GC()
	}
	collecting := debug.SetGCPercent(-1)
	goroutines, open := runtime.NumGoroutine(), len(descriptors(t))
	return func() {
		t.Helper()
		defer debug.SetGCPercent(collecting)
		end := time.Now().Add(patience)
		for runtime.NumGoroutine() > goroutines || len(descriptors(t)) > open {
			if time.Now().After(end) {
				t.Fatalf("%d goroutines and %d descriptors, %d and %d before", runtime.NumGoroutine(), len(descriptors(t)), goroutines, open)
			}
			runtime.Gosched()
		}
	}
}

func TestConnectionsInheritTheirOptions(t *testing.T) {
	ln := listen(t)
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	const silence = 21_000
	if err := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, silence) }); err != nil {
		t.Fatal(err)
	}
	h := &handler{taken: make(chan int, 1)}
	f, err := http1.New(ln, h, http1.Options{HeaderTimeout: time.Hour, KeepAlive: net.KeepAliveConfig{Enable: true, Idle: 17 * time.Second, Interval: 18 * time.Second, Count: 7}})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.Serve() }()
	check := func(name string, fd int) {
		for _, o := range []struct{ level, option, want int }{
			{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 17},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 18},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 7},
			{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, silence},
		} {
			if got, err := unix.GetsockoptInt(fd, o.level, o.option); err != nil || got != o.want {
				t.Errorf("%s: option %d is %d, %v, want %d", name, o.option, got, err, o.want)
			}
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("%s: it would block: %v", name, err)
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: children inherit it: %v", name, err)
		}
	}
	dial := func(text string) net.Conn {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := dial("GET /take HTTP/1.1\r\nHost: x\r\n\r\n")
	fd := <-h.taken
	check("taken", fd)
	_, _ = poll.CloseSocket(fd), c.Close()

	c = dial(request("/pass", ""))
	accepted, err := f.Passed().Accept()
	if err != nil {
		t.Fatal(err)
	}
	below := accepted.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn)
	if raw, err = below.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { check("passed", int(fd)) }); err != nil {
		t.Fatal(err)
	}
	_, _ = accepted.Close(), c.Close()
	if err := errors.Join(f.Close(), f.Passed().Close(), <-served); err != nil {
		t.Error(err)
	}
}

func TestWithoutDescriptorsItWaits(t *testing.T) {
	oneLoop(t)
	s := start(t, http1.Options{})
	s.dial().send(request("/a", "")).expect("front /a? y")
	began := time.Now()
	// A socket from before there are no descriptors left.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	at, err := net.ResolveTCPAddr("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(at.IP.To4())})
	said := ""
	if err == nil {
		said = <-s.log
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err != nil || !strings.Contains(said, "too many open files") {
		t.Fatal(said, err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(patience / time.Second)}); err != nil {
		t.Fatal(err)
	}
	text := request("/a", "then")
	if n, err := unix.Write(fd, []byte(text)); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
	b := make([]byte, 1<<10)
	n, err := unix.Read(fd, b)
	for errors.Is(err, unix.EINTR) { // by a signal that stopped the process for a while
		n, err = unix.Read(fd, b)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(b[:n]), "front /a? y then\n") {
		t.Errorf("%q", b[:n])
	}
	if most := 10 + int(time.Since(began)/time.Second); len(s.log) > most { // once a second
		t.Errorf("it tried %d times more, want at most %d", len(s.log), most)
	}
}

func TestOnlyTCP(t *testing.T) {
	ln, err := net.Listen("unix", t.TempDir()+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if _, err := http1.New(ln, &handler{}, http1.Options{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}
