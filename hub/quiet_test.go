package hub_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

// untilData returns a stream's text up to the end of its first line of data.
func untilData(t *testing.T, via http.RoundTripper, u string, header ...string) (text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", u, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := via.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewReader(resp.Body); !strings.Contains(text, "data:"); {
		line, err := lines.ReadString('\n')
		if text += line; err != nil {
			t.Fatalf("%q, %v", text, err)
		}
	}
	return text
}

// Parsers of some clients, such as openai-go's, take a block without data for an event.
func TestNothingButACommentPrecedesTheFirstEventOfAQuietStream(t *testing.T) {
	short := func(c *config.Config) { c.Topics[0].Events = 1 }
	fast, slow := startWith(t, hub.Options{}.WithLinger(time.Nanosecond), short), startWith(t, hub.Options{Portable: true}.WithLinger(time.Nanosecond), short)
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	http2 := &http.Transport{Protocols: protocols}
	t.Cleanup(http2.CloseIdleConnections)
	for _, s := range []*server{fast, slow} {
		lost := s.publish("orders", "0")
		s.publish("orders", "1")
		last := s.publish("orders", "2")
		for way, via := range map[string]http.RoundTripper{"HTTP/1.1": http.DefaultTransport, "HTTP/2": http2} {
			for name, header := range map[string][]string{
				"evicted":  {"Last-Event-ID", lost},
				"reset":    {"Last-Event-ID", "00000000-1"},
				"earliest": {"Last-Event-ID", "earliest"},
			} {
				if text := untilData(t, via, s.url("topic=orders&control=off"), header...); text != ":\nid: "+last+"\ndata: 2\n" {
					t.Errorf("%s, %s: %q", way, name, text)
				}
			}
			text := untilData(t, via, s.url("topic=orders&control=off&padding=true&heartbeat_mode=event&replay=1&x=y"))
			if comments, event, _ := strings.Cut(text, "id: "); strings.Trim(comments, ": \n") != "" || event != last+"\ndata: 2\n" {
				t.Errorf("%s, with padding: %q", way, text)
			}
		}
	}
}
