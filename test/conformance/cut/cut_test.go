package cut_test

import (
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/runnel-dev/runnel/test/conformance/cut"
)

const text = "event: a\ndata: 1\n\nevent: b\ndata: 2\n\n"

// empty is the end of an event.
var empty = regexp.MustCompile("\n\n")

// hello is what a reader must say first: one that is cut before its dial has returned learns of it there.
const hello = "hello"

// serve sends the text to whoever says hello, byte by byte, and then waits for the other side's end.
func serve(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(c, make([]byte, len(hello)))
			for i := range text {
				_, _ = c.Write([]byte(text[i : i+1])) // a cut ends it
			}
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func TestCuts(t *testing.T) {
	for name, c := range map[string]struct {
		cut  cut.Cut
		want string
	}{
		"at once":                       {cut.Cut{}, ""},
		"after some bytes":              {cut.Cut{After: 5}, text[:5]},
		"behind the first event":        {cut.Cut{Behind: empty}, text[:len(text)/2]},
		"behind an event that is begun": {cut.Cut{After: 3, Behind: empty}, text[:len(text)/2]},
		"where an event just ended":     {cut.Cut{After: int64(len(text) / 2), Behind: empty}, text[:len(text)/2]},
		"behind the next event":         {cut.Cut{After: int64(len(text)/2) + 1, Behind: empty}, text},
		"behind a text":                 {cut.Cut{Behind: regexp.MustCompile("data: 2")}, text[:len(text)-2]},
	} {
		for kind, how := range map[string]cut.Kind{"FIN": cut.FIN, "RST": cut.RST} {
			t.Run(name+" by "+kind, func(t *testing.T) {
				c.cut.Kind = how
				p := listen(t, serve(t), func() cut.Cut { return c.cut })
				got, err := io.ReadAll(dial(t, p))
				// By RST, what was not read yet is lost.
				if how == cut.FIN && (string(got) != c.want || err != nil) {
					t.Errorf("got %q, %v; want %q", got, err, c.want)
				}
				if how == cut.RST && (!strings.HasPrefix(c.want, string(got)) || !errors.Is(err, syscall.ECONNRESET)) {
					t.Errorf("got %q, %v; want no more than %q", got, err, c.want)
				}
				if p.Cuts() != 1 || p.Received()[0] != c.want {
					t.Errorf("%d cuts, received %q", p.Cuts(), p.Received())
				}
			})
		}
	}
}

// What a client sends when the hub's side has ended must not reset its connection before it has read what was passed on.
func TestByFINAClientThatStillSendsReadsAll(t *testing.T) {
	for range 100 {
		p := listen(t, serve(t), func() cut.Cut { return cut.Cut{Behind: empty} })
		c := dial(t, p)
		first := make([]byte, 1)
		if _, err := io.ReadFull(c, first); err != nil {
			t.Fatal(err)
		}
		for p.Cuts() == 0 {
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		rest, err := io.ReadAll(c)
		if got := string(first) + string(rest); got != text[:len(text)/2] || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

func TestWithoutAPlanNothingIsCutUntilAllIs(t *testing.T) {
	p := listen(t, serve(t), nil)
	c := dial(t, p)
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("got %q, %v", got, err)
	}
	p.CutAll(cut.RST)
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("it ended with %v", err)
	}
	if p.Cuts() != 0 || p.Sent()[0] != hello {
		t.Errorf("%d cuts, sent %q", p.Cuts(), p.Sent())
	}
}

func listen(t *testing.T, target string, plan cut.Plan) *cut.Proxy {
	t.Helper()
	p, err := cut.Listen(target, plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func dial(t *testing.T, p *cut.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.Write([]byte(hello)); err != nil {
		t.Fatal(err)
	}
	return c
}
