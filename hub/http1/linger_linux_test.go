package http1_test

import (
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/runnel-dev/runnel/hub/http1"
)

// closes fails unless the next answer has a body and says that its connection ends.
func (c *client) closes(want string) *client {
	c.t.Helper()
	resp, body := c.response()
	if body != want || !resp.Close {
		c.t.Errorf("%q and Connection: close %t, want %q and true", body, resp.Close, want)
	}
	return c
}

func TestAnswersEndTheirConnectionsWhileTheServerLeaves(t *testing.T) {
	var leaving atomic.Bool
	s := start(t, http1.Options{Closing: leaving.Load})
	c, half := s.dial(), s.dial()
	c.send(request("/a", "one")).expect("front /a? y one")
	first, second := halves(request("/a", "two"))
	half.send(first)
	leaving.Store(true)
	c.send(request("/a", "two")).closes("front /a? y two").ends()
	half.send(second).closes("front /a? y two").ends()
	s.dial().send(request("/a", "three")).closes("front /a? y three").ends()
	s.dial().send(request("/a", "four") + request("/a", "five")).closes("front /a? y four").ends()
}

func TestTheLastAnswerIsNotReset(t *testing.T) {
	oneLoop(t)
	s := start(t, http1.Options{})
	last := strings.Replace(request("/a", "last"), "X: y", "X: y\r\nConnection: close", 1)
	// More than a loop reads at once, so that some of it is left in the socket when the last answer is made.
	ahead := strings.Repeat(request("/a", strings.Repeat("x", 1<<10)), 200)
	c := s.dial().send(last + ahead)
	c.closes("front /a? y last").ends()
	if _, err := c.Write([]byte(request("/a", "late"))); err != nil {
		t.Errorf("a client that has not seen the end yet: %v", err)
	}
	_ = c.Close()
	for openTo(t, s.addr) > 0 {
		runtime.Gosched()
	}
}

func TestAClientThatStaysIsClosed(t *testing.T) {
	check := leavesNothing(t)
	s := start(t, http1.Options{})
	stays := s.dial().send(strings.Replace(request("/a", "last"), "X: y", "X: y\r\nConnection: close", 1)).closes("front /a? y last")
	for openTo(t, s.addr) > 0 {
		runtime.Gosched()
	}
	_ = stays.Close()
	s.end(nil)
	check()
}
