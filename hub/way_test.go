package hub_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// way is the network to a hub's port for peers.
type way struct {
	listener net.Listener
	target   atomic.Value // of string
	silent   atomic.Bool  // takes connections, and passes nothing on
	taken    atomic.Int64 // connections
	cut      atomic.Value // of func(request []byte) bool: ends the connection in place of the answer
	mu       sync.Mutex
	open     map[net.Conn]struct{}
	over     bool
	work     sync.WaitGroup
}

func newWay(t testing.TB) *way {
	t.Helper()
	return newWayAt(t, "127.0.0.1:0")
}

func newWayAt(t testing.TB, address string) *way {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	w := &way{listener: ln, open: map[net.Conn]struct{}{}}
	w.cut.Store(func([]byte) bool { return false })
	w.work.Go(w.accept)
	t.Cleanup(w.end)
	return w
}

func (w *way) address() string { return w.listener.Addr().String() }
func (w *way) to(addr string)  { w.target.Store(addr) }

// end closes the way for good, and all that is on it.
func (w *way) end() {
	_ = w.listener.Close()
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	w.drop()
	w.work.Wait()
}

// drop ends what is on the way.
func (w *way) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		_ = c.Close()
	}
}

// silence lets nothing through any more, or all again.
func (w *way) silence(on bool) {
	w.silent.Store(on)
	w.drop()
}

func (w *way) keep(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		_ = c.Close()
		return false
	}
	w.open[c] = struct{}{}
	return true
}

func (w *way) accept() {
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return
		}
		if w.taken.Add(1); !w.keep(c) {
			return
		}
		w.work.Go(func() { w.pass(c) })
	}
}

func (w *way) pass(c net.Conn) {
	defer func() { _ = c.Close() }()
	target, known := w.target.Load().(string)
	if w.silent.Load() || !known {
		_, _ = io.Copy(io.Discard, c)
		return
	}
	to, err := net.Dial("tcp", target)
	if err != nil || !w.keep(to) {
		return
	}
	defer func() { _ = to.Close() }()
	var back sync.WaitGroup
	var mute atomic.Bool
	back.Go(func() {
		defer func() { _ = c.Close() }()
		room := make([]byte, 64<<10)
		for {
			n, err := to.Read(room)
			if mute.Load() || err != nil {
				return
			}
			if _, err := c.Write(room[:n]); err != nil {
				return
			}
		}
	})
	room := make([]byte, 64<<10)
	for {
		n, err := c.Read(room)
		if err != nil {
			break
		}
		if w.cut.Load().(func([]byte) bool)(room[:n]) {
			mute.Store(true)
		}
		if _, err := to.Write(room[:n]); err != nil {
			break
		}
	}
	_ = to.Close()
	back.Wait()
}

// cutting ends connections in place of the answers to a path, so many times.
func cutting(path string, times int64) func([]byte) bool {
	var left atomic.Int64
	left.Store(times)
	return func(request []byte) bool { return bytes.Contains(request, []byte(path)) && left.Add(-1) >= 0 }
}
