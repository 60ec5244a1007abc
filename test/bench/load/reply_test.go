package load

import (
	"strings"
	"testing"
	"time"
)

func TestAnswersAreReadAcrossEveryBoundary(t *testing.T) {
	for name, c := range map[string]struct {
		text          string
		events, lines int
		refused       int
		with          string
	}{
		"stored":    {text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", events: 1},
		"empty":     {text: "HTTP/1.1 202 Accepted\r\nX: y\r\ncontent-length:0\r\n\r\n", events: 1},
		"refused":   {text: "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!", events: 1, refused: 1, with: "status 403: no!"},
		"lines":     {text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{}\n{\r\n2\r\n}\n\r\n0\r\n\r\n", events: 2, lines: 2},
		"one wrong": {text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n10\r\n{}\n{\"error\":{}}\n\r\n0\r\n\r\n", events: 2, lines: 2, refused: 1, with: `"error"`},
		"too few":   {text: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}\n", events: 3, lines: 3, refused: 2},
	} {
		t.Run(name, func(t *testing.T) {
			var r reply
			for i := 1; i < len(c.text); i++ { // the same reply, used again
				early, err := r.read([]byte(c.text[:i]))
				if early || err != nil {
					t.Fatalf("cut at %d: %v, %v", i, early, err)
				}
				if done, err := r.read([]byte(c.text[i:])); !done || err != nil {
					t.Fatalf("cut at %d: %v, %v", i, done, err)
				}
				if n, why := r.refused(c.events, c.lines); n != c.refused || !strings.Contains(why, c.with) {
					t.Fatalf("cut at %d: %d refused, %q", i, n, why)
				}
				r.reset()
			}
		})
	}
	for _, wrong := range []string{"SSH-2.0\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx", strings.Repeat("x", maxReplyHead+1)} {
		var r reply
		if _, err := r.read([]byte(wrong)); err == nil {
			t.Errorf("%.60q is taken", wrong)
		}
	}
}

func TestRequestsAreMadeWithoutTakingMemory(t *testing.T) {
	for _, o := range []PublisherOptions{{}, {IDs: true}, {Lines: 10, Topics: 3}, {Lines: 10, IDs: true}} {
		o, err := o.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		made, err := newTemplate(o)
		if err != nil {
			t.Fatal(err)
		}
		c := Course{Count: 1000, Topics: o.Topics}
		if n := testing.AllocsPerRun(100, func() { made.of(c, 500, max(o.Lines, 1), time.Second) }); n > 0 {
			t.Errorf("%+v: %v allocations", o, n)
		}
	}
}
