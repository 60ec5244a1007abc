package dev

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runnel-dev/runnel/hub"
)

func TestEachRefusalIsPrinted(t *testing.T) {
	r := start(t, stream("topics: [{name: orders}]", "limits: {connectionsPerHub: 1}"), true)
	r.post(t, "tickets", "x")
	r.out.awaitMatch(t, `[0-9:.]{12} publish refused: 404 topic_not_declared: .*tickets.*spec\.topics`)
	for path, want := range map[string]string{
		"/v1/events?topic=a..b":                `400 topic_malformed: `,
		"/v1/events?topic=tickets":             `404 topic_not_declared: `,
		"/v1/events?topic=orders&replay=%1bxx": `400 parameter_malformed: replay=`,
	} {
		response, err := http.Get(r.subscribe + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		r.out.awaitMatch(t, `[0-9:.]{12} subscribe refused: `+want)
	}
	lines, err := http.Post(r.publish+"/v1/publish", "application/x-ndjson", strings.NewReader(`{"topic":"orders","data":1}`+"\n"+`{"topic":"nowhere","data":2}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = lines.Body.Close()
	r.out.awaitMatch(t, `publish refused: 404 topic_not_declared: .*nowhere`)
	r.events(t, "orders")
	second, err := http.Get(r.subscribe + "/v1/events?topic=orders")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, second.Body)
	_ = second.Body.Close()
	shown := r.out.awaitMatch(t, `subscribe refused: 200 too_many_connections: `)
	if n := strings.Count(shown, " refused: "); n != 6 {
		t.Errorf("%d lines for 6 refusals:\n%s", n, shown)
	}
}

// awaitMatch waits until the screen shows a line that matches, and returns all of it.
func (s *screen) awaitMatch(t *testing.T, pattern string) string {
	t.Helper()
	return s.awaitUntil(t, pattern, regexp.MustCompile(pattern).MatchString)
}

func TestManyRefusalsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRefusals()
		var lines []string
		ctx, cancel := context.WithCancel(t.Context())
		go r.run(ctx, func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) })
		const seconds, each = 10, 1000
		for range seconds {
			for range each {
				r.note(hub.Refusal{Port: hub.PortPublish, Status: 404, Code: "c", Detail: "d"})
			}
			synctest.Wait()
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		cancel()
		synctest.Wait()
		printed, told := 0, 0
		for _, l := range lines {
			var n int
			if _, err := fmt.Sscanf(l, "%d more were refused", &n); err == nil {
				told += n
				continue
			}
			printed++
		}
		if printed+told != seconds*each || len(lines) > (seconds+3)*(refusalsPerSecond+1) {
			t.Errorf("%d printed and %d counted of %d, in %d lines", printed, told, seconds*each, len(lines))
		}
	})
}

func TestARefusalCannotDirectATerminal(t *testing.T) {
	line := refusal{time.Time{}, hub.Refusal{Port: hub.PortPublish, Status: 400, Code: "c", Detail: "a\x1b[2Jb\nc\u202ed é"}}.String()
	if want := "00:00:00.000 publish refused: 400 c: a\uFFFD[2Jb\uFFFDc\uFFFDd é"; line != want {
		t.Errorf("got %q", line)
	}
}
