package http1_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/http1"
)

// TestConnectionsThatComeAtOnceAreSpreadOverTheLoops holds up one loop of four: the connections of the others are answered all the same.
func TestConnectionsThatComeAtOnceAreSpreadOverTheLoops(t *testing.T) {
	const loops, connections = 4, 64
	before := runtime.GOMAXPROCS(loops)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	ln := listen(t)
	h := &handler{blocked: make(chan struct{})}
	f, err := http1.New(ln, h, http1.Options{HeaderTimeout: time.Hour, IdleTimeout: time.Hour, WriteTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	var all []net.Conn
	for range connections { // all of which wait when the loops begin
		all = append(all, dial(t, ln.Addr().String()))
	}
	served := make(chan error, 1)
	go func() { served <- f.Serve() }()
	send := func(c net.Conn, path string) {
		if _, err := io.WriteString(c, request(path, "")); err != nil {
			t.Error(err)
		}
	}
	for _, holdsUp := range []int{0, connections / 2, connections - 1} {
		send(all[holdsUp], "/block")
		<-h.blocked
		answered := make(chan struct{}, connections)
		var clients sync.WaitGroup
		for i, c := range all {
			clients.Go(func() {
				if i != holdsUp {
					send(c, "/a")
				}
				if _, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
					answered <- struct{}{}
				}
			})
		}
		for i := range connections / 2 {
			select {
			case <-answered:
			case <-time.After(patience):
				<-h.blocked
				t.Fatalf("%d of %d connections are answered while one loop of %d is held up", i, connections, loops)
			}
		}
		<-h.blocked
		clients.Wait()
	}
	if err := errors.Join(f.Close(), f.Passed().Close(), <-served); err != nil && !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
