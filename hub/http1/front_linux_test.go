package http1_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/http1"
)

func TestWhatIsUsualIsAnsweredHere(t *testing.T) {
	s := start(t, http1.Options{})
	c := s.dial()
	c.send(request("/a?b=c", "one")).expect("front /a?b=c y one")
	c.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"+request("/b", strings.Repeat("x", 60<<10))).expect("front /a?", "front /b? y "+strings.Repeat("x", 60<<10))
	c.send("\r\n" + request("/c", "")).expect("front /c? y")
	c.send("POST /last HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nz" + request("/more", "")).expect("front /last?  z").ends()
	c = s.dial().send("GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	c.expect("front /large?").ends()
}

func TestWhatIsUnusualIsAnsweredByNetHTTP(t *testing.T) {
	s := start(t, http1.Options{})
	for name, text := range map[string]string{
		"chunked":      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n",
		"bare lines":   "POST /a HTTP/1.1\nHost: x\nContent-Length: 1\n\nz",
		"old":          "POST /a HTTP/1.0\r\nContent-Length: 1\r\n\r\nz",
		"escaped":      "POST /%61 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nz",
		"absolute":     "POST http://x/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nz",
		"put":          "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nz",
		"long":         "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat(" ", 69_999) + "z",
		"long header":  "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nLong: " + strings.Repeat("x", 65<<10) + "\r\n\r\nz",
		"many headers": "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n" + strings.Repeat("Many: x\r\n", 100) + "\r\nz",
	} {
		for _, before := range []string{"", request("/1", ""), request("/1", "") + "\r\n"} {
			t.Run(fmt.Sprintf("%s, after %d", name, len(before)), func(t *testing.T) {
				c := s.dial().send(before + text)
				if before != "" {
					c.expect("front /1? y")
				}
				if got := c.answer(); strings.Join(strings.Fields(got), " ") != "net/http /a? z" {
					t.Errorf("%q", got)
				}
			})
		}
	}
	for name, text := range map[string]string{
		"no host":     "GET /a HTTP/1.1\r\n\r\n",
		"nonsense":    "nonsense, and more of it\r\n\r\n",
		"two lengths": "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nz",
	} {
		if got := s.dial().send(text).answer(); !strings.HasPrefix(got, "400 Bad Request") {
			t.Errorf("%s: %q", name, got)
		}
	}
	s.dial().send(request("/pass", "body")+request("/a", "")).expect("net/http /pass? y body", "net/http /a? y") // it stays there
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Post("http://"+s.addr+"/a", "text/plain", strings.NewReader("z"))
	if err != nil || resp.ProtoMajor != 2 {
		t.Fatal(resp, err)
	}
	_ = resp.Body.Close()
}

// TestRequestsMayComeInParts cuts a pipeline at each byte.
func TestRequestsMayComeInParts(t *testing.T) {
	oneLoop(t)
	s := start(t, http1.Options{})
	other := s.dial()
	text := request("/a", "one") + "\r\n" + "GET /b HTTP/1.1\r\nHost: x\r\n\r\n" + request("/c?", "") + request("/pass", "four") + request("/e", "five")
	for i := range text {
		c := s.dial().send(text[:i])
		other.send(request("/", "")).expect("front /? y")
		c.send(text[i:]).expect("front /a? y one", "front /b?", "front /c? y", "net/http /pass? y four", "net/http /e? y five")
		_ = c.Close()
	}
	large := request("/large", strings.Repeat("x", 60<<10))
	c := s.dial()
	for i := 0; i < len(large); i += 5 << 10 {
		c.send(large[i:min(len(large), i+5<<10)])
		other.send(request("/", "")).expect("front /? y")
	}
	if got := c.answer(); len(got) <= 1<<20 || strings.Trim(got, "x") != "front /large? y "+large[len(large)-60<<10:]+"\n" {
		t.Errorf("%.40q", got)
	}
}

func TestAPanicEndsItsConnectionAlone(t *testing.T) {
	oneLoop(t)
	s := start(t, http1.Options{})
	other := s.dial().send(request("/a", "")).expect("front /a? y")
	first, second := halves(request("/panic", "whole"))
	c := s.dial().send(request("/a", "before") + first)
	c.expect("front /a? y before").send(second + request("/a", "after")).ends()
	if said := <-s.log; !strings.Contains(said, "this is expected") || !strings.Contains(said, ".Serve(") {
		t.Errorf("%q", said)
	}
	other.send(request("/a", "still")).expect("front /a? y still")
}

func TestAnAnswerIsWrittenAsNetHTTPWritesIt(t *testing.T) {
	s := start(t, http1.Options{})
	date := regexp.MustCompile(`Date: (\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)\r`)
	for path, asked := range map[string]string{"/empty": "keep-alive", "//empty": "close"} {
		b, err := io.ReadAll(s.dial().send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: " + asked + "\r\n\r\n"))
		const want = "HTTP/1.1 204 No Content\r\nDate: then\r\nConnection: close\r\n\r\n"
		if got := date.ReplaceAllString(string(b), "Date: then\r"); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	for _, path := range []string{"/a", "//a"} {
		before := time.Now()
		b, err := io.ReadAll(s.dial().send("POST " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nz"))
		if err != nil {
			t.Fatal(err)
		}
		got := date.FindStringSubmatch(string(b))
		if got == nil {
			t.Fatalf("%q", b)
		}
		if at, err := time.Parse(http.TimeFormat, got[1]); err != nil || at.Before(before.Add(-time.Minute)) || at.After(time.Now()) {
			t.Errorf("%v, %v, asked at %v", at, err, before)
		}
		by := map[string]string{"/a": "front /a?  z\n", "//a": "net/http //a?  z\n"}[path]
		want := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", got[1], len(by), by)
		if string(b) != want {
			t.Errorf("%q, want %q", b, want)
		}
	}
}

func TestARoundIsToldOnce(t *testing.T) {
	oneLoop(t)
	s := start(t, http1.Options{})
	const n = 100
	c := s.dial().send(strings.Repeat(request("/a", "x"), n))
	for range n {
		c.expect("front /a? y x")
	}
	for i := range 5 { // which ask for nothing
		s.dial().send("GET")
		for openTo(t, s.addr) < i+2 {
			runtime.Gosched()
		}
	}
	s.end(nil)
	if served, rounds := s.handler.served.Load(), s.handler.rounds.Load(); served != n || rounds < 1 || rounds > 2 {
		t.Errorf("%d requests in %d rounds", served, rounds)
	}
}
